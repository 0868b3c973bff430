// One stream of what the service does, shared by every page; it reconnects by itself.

import { useSyncExternalStore } from "react";
import { messages } from "./sse";
import { token } from "./api";
import type { Snapshot } from "./types";

export interface Sample {
  at: number;
  tokensPerSecond: number;
  running: number;
  waiting: number;
}

export interface Live {
  connected: boolean;
  snapshot: Snapshot | null;
  samples: Sample[];
}

// Two minutes at the pace at which the service tells.
const KEPT_SAMPLES = 240;
const RETRY_MS = [250, 500, 1000, 2000, 5000];

let state: Live = { connected: false, snapshot: null, samples: [] };
const listeners = new Set<() => void>();
let running: AbortController | null = null;
let last: { at: number; tokens: number } | null = null;

function publish(next: Partial<Live>): void {
  state = { ...state, ...next };
  listeners.forEach((tell) => tell());
}

function take(snapshot: Snapshot): void {
  const engines = Object.values(snapshot.status.engines);
  const tokens = engines.reduce((sum, one) => sum + one.tokens_out, 0);
  const at = snapshot.at;
  const seconds = last ? at - last.at : 0;
  const rate = last && seconds > 0 ? Math.max(0, tokens - last.tokens) / seconds : 0;
  last = { at, tokens };
  const sample: Sample = {
    at,
    tokensPerSecond: rate,
    running: engines.reduce((sum, one) => sum + one.running, 0),
    waiting: engines.reduce((sum, one) => sum + one.waiting, 0),
  };
  publish({ connected: true, snapshot, samples: [...state.samples, sample].slice(-KEPT_SAMPLES) });
}

async function follow(signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    try {
      for await (const message of messages("/events", signal)) {
        failures = 0;
        if (message.event === "snapshot") take(JSON.parse(message.data) as Snapshot);
      }
    } catch {
      // told by `connected`; the next try is below
    }
    if (signal.aborted) return;
    publish({ connected: false });
    const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]!;
    await new Promise((go) => setTimeout(go, token.wanted() ? 2000 : wait));
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (!running) {
    running = new AbortController();
    void follow(running.signal);
  }
  return () => {
    listeners.delete(listener);
    if (!listeners.size) {
      running?.abort();
      running = null;
      last = null;
    }
  };
}

export function useLive(): Live {
  return useSyncExternalStore(subscribe, () => state);
}
