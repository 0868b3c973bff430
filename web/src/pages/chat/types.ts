import type { UIMessage } from "ai";

/** What a whole answer took, as the service tells it with its end. */
export interface Cost {
  model: string | null;
  finish: string | null;
  tokens: number;
  seconds: number;
}

/** Why there is no whole one. */
export interface Failed {
  error: string;
}

export type ChatMessage = UIMessage<{ mlxd?: Cost | Failed }>;

export interface Session {
  id: string;
  title: string;
  updated: number;
  branched_from?: string;
  messages?: ChatMessage[];
  /** An answer is being made there. */
  answering?: boolean;
}

export interface Sampling {
  temperature?: number;
  top_p?: number;
  max_tokens?: number;
  seed?: number;
}

/** Where an answer's claim stands: what the search tool returned for it. */
export interface Citation {
  n: number;
  document: string;
  title: string;
  page: number | null;
  box: [number, number, number, number] | null;
  image: string | null;
  snippet: string;
}
