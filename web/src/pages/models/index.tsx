import { useState, type ReactNode } from "react";
import { useWords } from "../../i18n";
import type { Words } from "../../i18n/en";
import { named, send } from "../../lib/api";
import { bytes, number } from "../../lib/format";
import { useSnapshot } from "../../lib/live";
import type { Model, Remote, Snapshot } from "../../lib/types";
import { useAction, useGet } from "../../lib/use";
import { Badge, Bar, Button, Facts, FaultBox } from "../../parts/basic";
import { LogDialog } from "../../parts/log";
import { Controls, tone } from "../live/engine";
import { CatalogueList, type Catalogue, type Row } from "./catalogue";

export function Models() {
  const words = useWords();
  const snapshot = useSnapshot();
  const catalogue: Catalogue = useGet("/models/catalogue");
  return (
    <div className="page">
      <header>
        <h1>{words.models.title}</h1>
      </header>
      {!snapshot && <p className="quiet">{words.loading}</p>}
      {snapshot && (
        <>
          <Machine snapshot={snapshot} />
          <Assignments snapshot={snapshot} rows={catalogue.value?.models ?? []} />
          <h2>{words.models.served}</h2>
          <div className="cards">
            {snapshot.models.map((model) => (
              <ModelCard key={model.id} model={model} snapshot={snapshot} />
            ))}
          </div>
          <CatalogueList catalogue={catalogue} />
        </>
      )}
    </div>
  );
}

function Machine({ snapshot }: { snapshot: Snapshot }) {
  const words = useWords();
  const { total, available } = snapshot.memory;
  const engines = Object.values(snapshot.status.engines);
  const models = engines.reduce((sum, one) => sum + (one.progress?.memory ?? 0), 0);
  const others = Math.max(0, total - available - models);
  return (
    <section className="card">
      <div className="row apart small">
        <span className="quiet">{words.models.machine}</span>
        <span className="number">
          {words.models.models} {bytes(models)} · {words.models.free} {bytes(available)} / {bytes(total)}
        </span>
      </div>
      <Bar part={models / total} other={others / total} label={words.models.machine} />
    </section>
  );
}

function Assignments({ snapshot, rows }: { snapshot: Snapshot; rows: Row[] }) {
  const words = useWords();
  const assign = useAction((capability: string, model: string) =>
    send("POST", `/models/global_capability/${encodeURIComponent(capability)}`, { model_id: model || null }),
  );
  return (
    <section className="card assign">
      <h2>{words.models.assigned}</h2>
      <p className="quiet small">{words.models.assignedWhy}</p>
      <FaultBox fault={assign.fault} />
      <div className="scroll">
        <table>
          <tbody>
            {Object.entries(snapshot.capabilities).map(([name, held]) => (
              <tr key={name}>
                <th scope="row" className="mono">
                  {name}
                </th>
                <td>
                  <select
                    className="input"
                    aria-label={name}
                    value={held.model_id ?? ""}
                    disabled={assign.busy}
                    onChange={(event) => void assign.run(name, event.target.value)}
                  >
                    <option value="">{words.models.nobody}</option>
                    {choices(snapshot.models, rows, name, held.model_id).map((id) => (
                      <option key={id}>{id}</option>
                    ))}
                  </select>
                </td>
                <td>
                  {held.model_id && (
                    <Confirmed model={held.model_id} capability={name} confirmed={Boolean(held.confirmed)} />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Confirmed({ model, capability, confirmed }: { model: string; capability: string; confirmed: boolean }) {
  const words = useWords();
  const check = useAction(() =>
    send("POST", `/models/confirm_capability/${named(model)}/${encodeURIComponent(capability)}`),
  );
  const told = check.busy ? words.models.checking : confirmed ? words.models.confirmed : words.models.notConfirmed;
  return (
    <div className="stack" style={{ gap: 6 }}>
      <div className="row">
        <Badge tone={check.busy ? "warn" : check.fault ? "bad" : confirmed ? "good" : ""}>{told}</Badge>
        <Button little title={words.models.confirmWhy} disabled={check.busy} onClick={() => void check.run()}>
          {words.models.confirm}
        </Button>
      </div>
      <FaultBox fault={check.fault} />
    </div>
  );
}

/** What is served already, and what is on disk and would be served from then on. */
function choices(models: Model[], rows: Row[], capability: string, current: string | null): string[] {
  const free = ["reasoning", "code"].includes(capability);
  const known = models.flatMap((one) => [one.id, one.path]);
  const here = rows.filter((one) => one.usable && !known.includes(one.id) && !known.includes(one.path));
  const able = [...models, ...here].filter((one) => free || one.capabilities.includes(capability)).map((one) => one.id);
  return current && !able.includes(current) ? [current, ...able] : able;
}

function ModelCard({ model, snapshot }: { model: Model; snapshot: Snapshot }) {
  const words = useWords();
  const engine = snapshot.status.engines[model.id];
  const remote = Object.values(snapshot.status.remotes ?? {}).find((one) => model.id in one.models);
  const [log, setLog] = useState(false);
  return (
    <section className="card" aria-label={model.id}>
      <div className="row apart">
        <h3>{model.id}</h3>
        <Badge tone={tone(model.state)}>{words.state[model.state] ?? model.state}</Badge>
      </div>
      <div className="row">
        {model.capabilities.map((one) => (
          <Badge tone="plain" key={one}>
            {one}
          </Badge>
        ))}
      </div>
      <Facts
        facts={[
          [words.models.context, model.context_length ? number(model.context_length) : "–"],
          ...(remote ? elsewhere(remote, words) : here(model, words)),
        ]}
      />
      {engine && (
        <Controls name={model.id} engine={engine}>
          <Button little onClick={() => setLog(true)}>
            {words.models.logs}
          </Button>
        </Controls>
      )}
      {log && <LogDialog name={model.id} onClose={() => setLog(false)} />}
    </section>
  );
}

function here(model: Model, words: Words): [string, ReactNode][] {
  return [
    [words.models.size, bytes(model.size_bytes)],
    [words.models.certificate, <Proved model={model} />],
    [words.models.path, <span className="mono">{model.path}</span>],
  ];
}

function elsewhere(remote: Remote, words: Words): [string, ReactNode][] {
  const facts: [string, ReactNode][] = [[words.models.elsewhere, <span className="mono">{remote.url}</span>]];
  if (remote.last_error) facts.push([words.live.lastError, remote.last_error]);
  return facts;
}

function Proved({ model }: { model: Model }) {
  const words = useWords();
  const held = model.certificate;
  if (!held) return <span className="quiet">{words.models.noCertificate}</span>;
  const tone = !held.holds ? "warn" : held.verdict === "PASS" ? "good" : "bad";
  return (
    <span className="row">
      <Badge tone={tone}>
        {held.verdict} {held.passed}/{held.passed + held.failed} · {held.holds ? words.models.holds : words.models.stale}
      </Badge>
      {!held.holds && <span className="small quiet">{held.stale.join("; ")}</span>}
      <span className="small quiet">
        {held.issued.slice(0, 10)} · {held.suites.join(", ")}
      </span>
    </span>
  );
}
