import { useState } from "react";
import { useWords } from "../../i18n";
import { clock } from "../../lib/format";
import type { Desk, Engine } from "../../lib/types";
import { Badge, Button, Facts } from "../../parts/basic";
import { LogDialog } from "../../parts/log";
import { tone } from "./engine";

// Of all engines together; an engine's own card has the rest.
const SHOWN = 20;

/** The process of documents and agent. */
export function DeskCard({ desk }: { desk: Desk | undefined }) {
  const words = useWords();
  const [log, setLog] = useState(false);
  if (!desk) return null;
  return (
    <section className="card" aria-label={words.live.desk}>
      <div className="row apart">
        <h2>{words.live.desk}</h2>
        <Badge tone={tone(desk.state)}>{words.state[desk.state] ?? desk.state}</Badge>
      </div>
      <p className="quiet small">{words.live.deskWhy}</p>
      {desk.cause && <p className="quiet">{words.cause(desk.cause)}</p>}
      {desk.last_error && <p className="fault small">{desk.last_error}</p>}
      <Facts facts={[[words.live.restarts, String(desk.restarts ?? 0)]]} />
      <div className="row">
        <Button little onClick={() => setLog(true)}>
          {words.models.logs}
        </Button>
      </div>
      {log && <LogDialog name={desk.pid ? "desk" : "gateway"} onClose={() => setLog(false)} />}
    </section>
  );
}

/** What engines died of or were replaced for, the latest first. */
export function Restarts({ engines }: { engines: [string, Engine][] }) {
  const words = useWords();
  const starts = engines.flatMap(([name, engine]) =>
    engine.history.flatMap((one, place) =>
      one.state === "starting" && place > 0 ? [{ name, at: one.at, cause: engine.history[place - 1]!.cause }] : [],
    ),
  );
  if (!starts.length) return null;
  starts.sort((a, b) => b.at - a.at);
  return (
    <section className="card">
      <h2>{words.live.restartsWhy}</h2>
      <ul style={{ paddingInlineStart: "1.2em", margin: 0 }}>
        {starts.slice(0, SHOWN).map((one) => (
          <li key={one.name + one.at}>
            <span className="number quiet">{clock(one.at)}</span> <strong>{one.name}</strong>: {words.cause(one.cause)}
          </li>
        ))}
      </ul>
    </section>
  );
}
