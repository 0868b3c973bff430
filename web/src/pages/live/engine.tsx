import { useWords } from "../../i18n";
import type { Words } from "../../i18n/en";
import { named, send } from "../../lib/api";
import { bytes, clock, number, seconds } from "../../lib/format";
import type { Engine } from "../../lib/types";
import { useAction } from "../../lib/use";
import { Badge, Bar, Button, Facts, FaultBox } from "../../parts/basic";

const TONES: Record<string, string> = { ready: "good", failed: "bad", stalled: "bad", stopped: "" };
const DOWN = ["stopped", "failed"];

export function tone(state: string): string {
  return TONES[state] ?? "warn";
}

export function phaseText(engine: Engine, words: Words): string {
  if (engine.resting) return words.phase.resting;
  const progress = engine.progress;
  if (!progress || DOWN.includes(engine.state)) return "";
  switch (progress.phase) {
    case "loading":
      return words.phase.loading(Math.round((100 * progress.done) / Math.max(1, progress.total)));
    case "prefilling":
      return words.phase.prefilling(number(progress.done), number(progress.total));
    case "decoding":
      return words.phase.decoding(progress.running);
    case "warming":
      return words.phase.warming;
    default:
      return progress.phase === "idle" ? words.phase.idle : progress.phase;
  }
}

export function EngineCard({ name, engine }: { name: string; engine: Engine }) {
  const words = useWords();
  const { progress } = engine;
  const measured = progress && (progress.phase === "loading" || progress.phase === "prefilling");
  return (
    <section className="card" aria-label={name}>
      <div className="row apart">
        <h2>{name}</h2>
        <Badge tone={tone(engine.state)}>{words.state[engine.state] ?? engine.state}</Badge>
      </div>
      <p className="quiet" aria-live="polite">
        {phaseText(engine, words) || words.cause(engine.cause)}
      </p>
      {measured && <Bar part={progress.done / Math.max(1, progress.total)} label={phaseText(engine, words)} />}
      {engine.last_error && <p className="fault small">{words.told(engine.last_error)}</p>}
      {engine.restart_in !== undefined && <p className="small">{words.live.restartIn(seconds(engine.restart_in))}</p>}
      <Facts facts={facts(engine, words)} />
      <Controls name={name} engine={engine} />
      <details className="small">
        <summary>
          {words.live.history} ({engine.history.length})
        </summary>
        <ol style={{ paddingInlineStart: "1.2em", margin: "8px 0 0" }}>
          {engine.history.toReversed().map((one) => (
            <li key={one.at + one.state}>
              <span className="number quiet">{clock(one.at)}</span> {words.state[one.state] ?? one.state}: {words.cause(one.cause)}
            </li>
          ))}
        </ol>
      </details>
    </section>
  );
}

function facts(engine: Engine, words: Words): [string, React.ReactNode][] {
  const made: [string, React.ReactNode][] = [
    [`${words.live.running} / ${words.live.waiting}`, `${engine.running} / ${engine.waiting}`],
    [words.live.tokens, `${number(engine.tokens_in)} / ${number(engine.tokens_out)}`],
  ];
  if (engine.progress) {
    made.push([words.live.memory, bytes(engine.progress.memory)]);
    made.push([words.live.kv, bytes(engine.progress.kv_bytes)]);
    made.push([words.live.prefix, bytes(engine.progress.prefix_bytes)]);
  }
  made.push([words.live.restarts, String(engine.restarts)]);
  if (engine.device) made.push([words.live.device, engine.device]);
  if (engine.dtype) made.push([words.live.weights, engine.dtype]);
  return made;
}

export function Controls(props: { name: string; engine: Engine; children?: React.ReactNode }) {
  const { name, engine } = props;
  const words = useWords();
  const act = useAction((what: string) => send("POST", `/engines/${named(name)}/${what}`));
  const down = DOWN.includes(engine.state);
  return (
    <>
      <div className="row">
        {down ? (
          <Button little disabled={act.busy} onClick={() => void act.run("start")}>
            {words.live.start}
          </Button>
        ) : (
          <>
            <Button little disabled={act.busy} onClick={() => void act.run("restart")}>
              {words.live.restart}
            </Button>
            <Button little disabled={act.busy} onClick={() => void act.run("stop")}>
              {words.live.stop}
            </Button>
          </>
        )}
        {props.children}
      </div>
      <FaultBox fault={act.fault} />
    </>
  );
}
