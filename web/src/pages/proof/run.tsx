import { useEffect, useState } from "react";
import { useLanguage, useWords } from "../../i18n";
import { messages } from "../../lib/sse";
import { Badge, Bar } from "../../parts/basic";
import { MARKS, TONES, type Check, type RunLine } from "./types";

interface Followed {
  checks: Check[];
  told: string;
  over: boolean;
}

const NOTHING: Followed = { checks: [], told: "", over: false };
const RETRY_MS = 1500;

function after(before: Followed, line: RunLine): Followed {
  const changed = (change: (check: Check) => Check) => ({
    ...before,
    told: "",
    checks: before.checks.map((one) => (one.id === line.id ? change(one) : one)),
  });
  switch (line.event) {
    case "run_began":
      return {
        ...before,
        told: "",
        checks: (line.checks ?? []).map((one) => ({ ...one, verdict: "", reason: "", rounds: [] })),
      };
    case "check_began":
      return changed((one) => ({ ...one, verdict: "…" }));
    case "round_ended":
      return changed((one) => ({ ...one, rounds: [...one.rounds, line.verdict ?? ""] }));
    case "check_ended":
      return changed((one) => ({ ...one, verdict: line.verdict ?? "", reason: line.reason ?? "" }));
    case "waiting":
      return { ...before, told: line.told ?? "" };
    case "failed":
      return { ...before, told: line.message ?? "" };
    default:
      return before;
  }
}

/** The run with this id, from its first event on; read from the start again when the line breaks. */
export function useRun(id: string | null, onOver: () => void): Followed {
  const [state, setState] = useState<Followed>(NOTHING);
  useEffect(() => {
    if (id === null) return;
    const stop = new AbortController();
    void (async () => {
      while (!stop.signal.aborted) {
        let made = NOTHING;
        try {
          for await (const message of messages("/proof/run", stop.signal, { headers: { accept: "text/event-stream" } })) {
            if (message.data === "[DONE]") {
              setState({ ...made, over: true });
              onOver();
              return;
            }
            made = after(made, JSON.parse(message.data) as RunLine);
            setState(made);
          }
        } catch {
          // asked again below, until the page is left
        }
        await new Promise((go) => setTimeout(go, RETRY_MS));
      }
    })();
    return () => stop.abort();
  }, [id, onOver]);
  return state;
}

export function RunView({ state }: { state: Followed }) {
  const words = useWords();
  const { language } = useLanguage();
  const done = state.checks.filter((one) => one.verdict && one.verdict !== "…").length;
  return (
    <div className="stack">
      {!state.over && <Bar part={state.checks.length ? done / state.checks.length : 0} label={words.proof.running} />}
      <p className="small quiet" role="status">
        {words.checked(state.told) || (state.checks.length ? words.proof.done(done, state.checks.length) : words.proof.beginning)}
      </p>
      <ul className="checks">
        {state.checks
          .filter((one) => one.verdict)
          .map((one) => (
            <li key={one.id}>
              <span className="row apart">
                <span>{one.title[language] ?? one.title.en ?? one.id}</span>
                {one.verdict === "…" ? (
                  <span className="quiet thinking">…</span>
                ) : (
                  <Badge tone={TONES[one.verdict] ?? ""}>{one.verdict}</Badge>
                )}
              </span>
              <span className="mono marks" aria-hidden="true">
                {one.rounds.map((verdict, place) => (
                  <span key={place} className={TONES[verdict]}>
                    {MARKS[verdict]}
                  </span>
                ))}
              </span>
              {one.reason && <span className="small quiet">{words.checked(one.reason)}</span>}
            </li>
          ))}
      </ul>
    </div>
  );
}
