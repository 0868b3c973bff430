// What the service sends, as far as the pages read it.

export interface Transition {
  at: number;
  state: string;
  cause: string;
}

export interface Progress {
  phase: string;
  done: number;
  total: number;
  steps: number;
  running: number;
  waiting: number;
  kv_bytes: number;
  prefix_bytes: number;
  memory: number;
  peak_memory: number;
}

export interface Engine {
  state: string;
  resting: boolean;
  cause: string;
  seconds: number;
  pid: number | null;
  running: number;
  waiting: number;
  restarts: number;
  last_error: string;
  tokens_in: number;
  tokens_out: number;
  first_token_ms?: number | null;
  history: Transition[];
  restart_in?: number;
  progress?: Progress;
  device?: string;
  dtype?: string;
  versions?: Record<string, string>;
  load_seconds?: number;
  notes?: string[];
}

export interface Desk {
  state: string;
  cause?: string;
  pid?: number | null;
  restarts?: number;
  last_error?: string;
}

/** A server elsewhere. */
export interface Remote {
  url: string;
  state: string;
  models: Record<string, string>;
  last_error: string | null;
}

export interface Model {
  id: string;
  aliases: string[];
  capabilities: string[];
  context_length: number | null;
  state: string;
  path: string | null;
  size_bytes: number | null;
  detail: Record<string, unknown>;
  certificate: Certificate | null;
}

export interface Certificate {
  verdict: string;
  holds: boolean;
  stale: string[];
  issued: string;
  passed: number;
  failed: number;
  skipped: number;
  suites: string[];
}

export interface Snapshot {
  at: number;
  status: { engines: Record<string, Engine>; data_dir: string; desk?: Desk; remotes?: Record<string, Remote>; [more: string]: unknown };
  models: Model[];
  capabilities: Record<string, { model_id: string | null; state: string | null; confirmed: unknown }>;
  memory: { total: number; available: number; limit: string };
  first_tokens?: { at: number; seconds: number; model: string }[];
}
