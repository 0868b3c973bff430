// A browser has six connections to a service, for all of its tabs together. So one tab reads a stream
// and tells the others; the seventh tab would wait for ever otherwise.

import { token } from "./api";
import { messages, type Message } from "./sse";

interface Reader {
  /** Messages with the same key replace each other; a tab that comes later is told the last of each. */
  key: (message: Message) => string;
  take: (message: Message) => void;
  /** The service is gone; it is tried again. */
  lost: () => void;
  /** Nobody looks at this page any more, and nothing is read for it. */
  left?: () => void;
}

type Told = { is: "message"; message: Message } | { is: "lost" } | { is: "new" };

const RETRY_MS = [250, 500, 1000, 2000, 5000];
const TOKEN_MS = 2000;
// Who only glances at another tab finds everything going on.
const HIDDEN_MS = 5000;

/** Reads a stream for as long as the signal lasts, or hears of it from the tab that does. */
export async function share(path: string, signal: AbortSignal, reader: Reader): Promise<void> {
  const others = new BroadcastChannel(`mlxd ${path}`);
  const last = new Map<string, Message>();
  let mine = false;
  let gone = false;
  const tell = (told: Told) => others.postMessage(told);
  const take = (message: Message) => {
    gone = false;
    last.set(reader.key(message), message);
    reader.take(message);
  };
  const lose = () => {
    gone = true;
    reader.lost();
  };
  others.onmessage = ({ data }: MessageEvent<Told>) => {
    if (data.is === "message") take(data.message);
    else if (data.is === "lost") lose();
    // What was known of a service that is gone would look to all the other tabs like its return.
    else if (mine && gone) tell({ is: "lost" });
    else if (mine) last.forEach((message) => tell({ is: "message", message }));
  };
  const read = async (while_: AbortSignal) => {
    mine = true;
    for (let failures = 0; !while_.aborted; ) {
      try {
        for await (const message of messages(path, while_)) {
          failures = 0;
          take(message);
          tell({ is: "message", message });
        }
      } catch {
        // told as lost; the next try is below
      }
      if (while_.aborted) break;
      lose();
      tell({ is: "lost" });
      const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]!;
      await new Promise((go) => setTimeout(go, token.wanted() ? TOKEN_MS : wait));
    }
    mine = false;
  };
  tell({ is: "new" });
  while (!signal.aborted) {
    await shown(signal);
    const part = whileShown(signal);
    // Without TLS, other machines' browsers have no locks: each tab reads for itself there.
    const turn = navigator.locks
      ? navigator.locks.request(`mlxd ${path}`, { signal: part.signal }, () => read(part.signal))
      : read(part.signal);
    await turn.catch(() => undefined); // nobody looks any more, before it was this tab's turn
    part.done();
    if (!signal.aborted) reader.left?.();
  }
  others.close();
}

/** When the page is looked at, or the signal has ended. */
async function shown(signal: AbortSignal): Promise<void> {
  while (document.hidden && !signal.aborted) {
    const over = new AbortController();
    await new Promise<void>((go) => {
      document.addEventListener("visibilitychange", () => go(), { signal: over.signal });
      signal.addEventListener("abort", () => go(), { signal: over.signal });
    });
    over.abort();
  }
}

/** Ends with the given one, and when nobody has looked at the page for a while. */
function whileShown(signal: AbortSignal): { signal: AbortSignal; done: () => void } {
  const made = new AbortController();
  let later: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(later);
    if (document.hidden) later = setTimeout(() => made.abort(), HIDDEN_MS);
  };
  signal.addEventListener("abort", () => made.abort(), { signal: made.signal });
  document.addEventListener("visibilitychange", look, { signal: made.signal });
  look();
  if (signal.aborted) made.abort();
  return { signal: made.signal, done: () => (clearTimeout(later), made.abort()) };
}
