export interface Summary {
  id: string;
  model: string;
  started: string;
  seconds: number;
  verdict: string;
  counts: Record<string, number>;
  cut_short: string;
}

export interface RunShown {
  id: string;
  began: number;
  over: boolean;
  model: string;
  suites: string[];
}

export interface Check {
  id: string;
  suite: string;
  title: Record<string, string>;
  planned: number;
  verdict: string;
  reason: string;
  rounds: string[];
}

export interface RunLine {
  event: string;
  id?: string;
  verdict?: string;
  reason?: string;
  message?: string;
  told?: string;
  checks?: { id: string; suite: string; title: Record<string, string>; planned: number }[];
}

/** What a report's JSON holds, as far as it is compared here. */
export interface Report {
  runs: {
    target: { model: string };
    started: string;
    checks: {
      id: string;
      title: Record<string, string>;
      verdict: string;
      reason: string;
      rounds?: { verdict: string; seconds?: number }[];
    }[];
  }[];
}

export const TONES: Record<string, string> = { PASS: "good", FAIL: "bad", ERROR: "warn", SKIPPED: "" };
export const MARKS: Record<string, string> = { PASS: "●", FAIL: "✗", ERROR: "!", SKIPPED: "·" };
