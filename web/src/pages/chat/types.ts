import type { UIMessage } from "ai";

export type ChatMessage = UIMessage;

export interface Session {
  id: string;
  title: string;
  updated: number;
  messages?: ChatMessage[];
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
