// Everything that goes to the service goes through here: the token, and errors as the service says them.

const TOKEN_KEY = "mlxd.token";

export class Fault extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

type Listener = () => void;
const listeners = new Set<Listener>();
let wanted = false;

export const token = {
  get: (): string => localStorage.getItem(TOKEN_KEY) ?? "",
  set(value: string): void {
    localStorage.setItem(TOKEN_KEY, value.trim());
    wanted = false;
    listeners.forEach((tell) => tell());
  },
  wanted: (): boolean => wanted,
  subscribe(listener: Listener): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

function askForToken(): void {
  if (wanted) return;
  wanted = true;
  listeners.forEach((tell) => tell());
}

/** `fetch` with the token; an answer that is no success is thrown as a Fault with its own words. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const used = token.get();
  if (used) headers.set("authorization", `Bearer ${used}`);
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Fault("unreachable", 0, "unreachable");
  }
  // Refused with another one than it has now: that one is still to be tried.
  if (answer.status === 401 && used === token.get()) askForToken();
  if (!answer.ok) throw await faultOf(answer);
  return answer;
}

async function faultOf(answer: Response): Promise<Fault> {
  const text = await answer.text();
  try {
    const { error } = JSON.parse(text) as { error: { message: string; code: string | null } };
    return new Fault(error.message, answer.status, error.code);
  } catch {
    return new Fault(text.slice(0, 500) || answer.statusText, answer.status);
  }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, { signal: signal ?? null })).json() as Promise<T>;
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit =
    body === undefined
      ? { method }
      : { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const text = await (await request(path, init)).text();
  return (text ? JSON.parse(text) : null) as T;
}

/** A path segment for a name that may hold slashes, as hub ids do. */
export function named(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}
