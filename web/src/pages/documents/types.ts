export interface Document {
  id: string;
  name: string;
  source: string;
  type: string;
  bytes: number;
  title: string | null;
  added: number;
  pages: number | null;
  indexed: number | null;
  current: boolean;
  tags: string[];
}

export interface Job {
  id: string;
  kind: string;
  document: string | null;
  name: string;
  state: string;
  reason: string | null;
  code: string | null;
  step: string | null;
  done: number;
  total: number;
  seconds_left: number | null;
  priority: string;
  created: number;
}

export type Box = [number, number, number, number];

export interface Result {
  document: { id: string; name: string; type: string; tags: string[] };
  parent: { id: string; kind: string; text: string; page: number | null; box: Box | null; image: string | null };
  snippet: string;
  highlights: [number, number][];
  matched: string[];
}

export interface Found {
  mode: string;
  notes: string[];
  results: Result[];
  seconds: number;
}

export const OVER = ["done", "failed", "cancelled"];
