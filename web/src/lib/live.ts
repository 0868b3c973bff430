// One stream of what the service does, shared by every page; it reconnects by itself.

import { useSyncExternalStore } from "react";
import { share } from "./shared";
import type { Snapshot } from "./types";

export interface Sample {
  at: number;
  tokensPerSecond: number;
  running: number;
  waiting: number;
}

export interface Live {
  connected: boolean;
  /** It was tried and is gone; before the first try neither holds. */
  lost: boolean;
  snapshot: Snapshot | null;
  samples: Sample[];
  /** How often the service came back after it was gone: what was read before may be old. */
  returns: number;
}

// Two minutes. By a clock of our own, as the service tells nothing while nothing changes.
export const KEPT_SAMPLES = 120;
const SAMPLE_MS = 1000;

let state: Live = { connected: false, lost: false, snapshot: null, samples: [], returns: 0 };
const listeners = new Set<() => void>();
let running: AbortController | null = null;
let clock: ReturnType<typeof setInterval> | undefined;
let last: { at: number; tokens: number } | null = null;

function publish(next: Partial<Live>): void {
  state = { ...state, ...next };
  listeners.forEach((tell) => tell());
}

function take(snapshot: Snapshot): void {
  publish({ connected: true, lost: false, snapshot, returns: state.returns + (state.lost ? 1 : 0) });
}

function sample(): void {
  const engines = Object.values(state.snapshot?.status.engines ?? {});
  if (!state.connected) {
    if (state.lost) last = null;
    return;
  }
  const tokens = engines.reduce((sum, one) => sum + one.tokens_out, 0);
  const at = performance.now();
  const passed = last ? at - last.at : SAMPLE_MS;
  const rate = last ? (Math.max(0, tokens - last.tokens) * 1000) / passed : 0;
  last = { at, tokens };
  const made: Sample = {
    at,
    tokensPerSecond: rate,
    running: engines.reduce((sum, one) => sum + one.running, 0),
    waiting: engines.reduce((sum, one) => sum + one.waiting, 0),
  };
  // While nobody looked, nothing was counted: its mean stands for that time.
  const times = Math.max(1, Math.min(KEPT_SAMPLES, Math.round(passed / SAMPLE_MS)));
  publish({ samples: [...state.samples, ...Array<Sample>(times).fill(made)].slice(-KEPT_SAMPLES) });
}

function follow(signal: AbortSignal): Promise<void> {
  return share("/events", signal, {
    key: (message) => message.event,
    take: (message) => {
      if (message.event === "snapshot") take(JSON.parse(message.data) as Snapshot);
    },
    lost: () => publish({ connected: false, lost: true }),
    left: () => publish({ connected: false }),
  });
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (!running) {
    running = new AbortController();
    void follow(running.signal);
    clock = setInterval(sample, SAMPLE_MS);
  }
  return () => {
    listeners.delete(listener);
    if (!listeners.size) {
      running?.abort();
      running = null;
      clearInterval(clock);
      last = null;
    }
  };
}

export function useLive(): Live {
  return useSyncExternalStore(subscribe, () => state);
}

/** Changes when the service has come back, and is the same otherwise. */
export function useReturns(): number {
  return useSyncExternalStore(subscribe, () => state.returns);
}

const picture = () => state.snapshot;

/** Without the samples, which change every second. */
export function useSnapshot(): Snapshot | null {
  return useSyncExternalStore(subscribe, picture);
}
