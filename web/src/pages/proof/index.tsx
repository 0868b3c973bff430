import { useCallback, useState } from "react";
import { useLanguage, useWords } from "../../i18n";
import { request, send, token } from "../../lib/api";
import { seconds } from "../../lib/format";
import { useSnapshot } from "../../lib/live";
import { useAction, useGet } from "../../lib/use";
import { Badge, Button, Dialog, Empty, FaultBox, RemoveButton } from "../../parts/basic";
import { Reports } from "./compare";
import { RunView, useRun } from "./run";
import { TONES, type RunShown, type Summary } from "./types";
import "./proof.css";

export default function Proof() {
  const words = useWords();
  const { value, fault, again } = useGet<{ run: RunShown | null; reports: Summary[] }>("/proof");
  const over = useCallback(() => again(), [again]);
  const run = value?.run ?? null;
  const followed = useRun(run && !run.over ? run.id : null, over);
  const running = Boolean(run && !run.over);
  const stop = useAction(async () => {
    await send("DELETE", "/proof/run");
    again();
  });
  return (
    <div className="page">
      <header>
        <h1>{words.pages.proof}</h1>
      </header>
      <p className="quiet">{words.proof.why}</p>
      <FaultBox fault={fault ?? stop.fault} />
      {running ? (
        <section className="card" aria-label={words.proof.running}>
          <div className="row apart">
            <h2>
              {words.proof.running} {run!.model}
            </h2>
            <Button icon="stop" disabled={stop.busy} onClick={() => void stop.run()}>
              {words.proof.stop}
            </Button>
          </div>
          <RunView state={followed} />
        </section>
      ) : (
        value && <Begin onBegun={again} />
      )}
      {!running && followed.told && <p className="fault">{followed.told}</p>}
      {value && <Kept reports={value.reports} onGone={again} />}
    </div>
  );
}

function Begin({ onBegun }: { onBegun: () => void }) {
  const words = useWords();
  const { language } = useLanguage();
  const snapshot = useSnapshot();
  const [model, setModel] = useState("");
  const [what, setWhat] = useState("core");
  const begin = useAction(async () => {
    const suites = what === "core" ? ["core"] : [];
    await send("POST", "/proof/run", { model, suites, lang: language });
    onBegun();
  });
  return (
    <section className="card">
      <div className="begin">
        <label className="field">
          <span>{words.chat.model}</span>
          <select className="input" value={model} onChange={(event) => setModel(event.target.value)}>
            <option value="">{words.proof.first(snapshot?.models[0]?.id ?? "–")}</option>
            {(snapshot?.models ?? []).map((one) => (
              <option key={one.id}>{one.id}</option>
            ))}
          </select>
        </label>
        <label className="field">
          <span>{words.proof.what}</span>
          <select className="input" value={what} onChange={(event) => setWhat(event.target.value)}>
            <option value="core">{words.proof.core}</option>
            <option value="all">{words.proof.all}</option>
          </select>
        </label>
        <Button kind="first" icon="proof" disabled={begin.busy} onClick={() => void begin.run()}>
          {words.proof.begin}
        </Button>
      </div>
      <FaultBox fault={begin.fault} />
    </section>
  );
}

function Kept({ reports, onGone }: { reports: Summary[]; onGone: () => void }) {
  const words = useWords();
  const [chosen, setChosen] = useState<string[]>([]);
  const [shown, setShown] = useState<string[] | null>(null);
  const remove = useAction(async (id: string) => {
    await send("DELETE", `/proof/reports/${id}`);
    setChosen((before) => before.filter((one) => one !== id));
    onGone();
  });
  const choose = (id: string, wanted: boolean) =>
    setChosen((before) => (wanted ? [...before.slice(-1), id] : before.filter((one) => one !== id)));
  if (!reports.length) {
    return (
      <Empty title={words.proof.none}>
        <p>{words.proof.noneWhy}</p>
      </Empty>
    );
  }
  return (
    <section className="card">
      <div className="row apart">
        <h2>{words.proof.reports}</h2>
        <Button disabled={chosen.length !== 2} onClick={() => setShown(chosen)}>
          {words.proof.compare}
        </Button>
      </div>
      <FaultBox fault={remove.fault} />
      <ul className="reports">
        {reports.map((one) => (
          <li key={one.id}>
            <input
              type="checkbox"
              aria-label={`${words.proof.compare}: ${one.model} ${one.started}`}
              checked={chosen.includes(one.id)}
              onChange={(event) => choose(one.id, event.target.checked)}
            />
            <span className="grow">
              <strong>{one.model}</strong>{" "}
              <span className="small quiet number">
                {new Date(one.started).toLocaleString()} · {seconds(one.seconds)}
              </span>
              {one.cut_short && <span className="small quiet block">{words.checked(one.cut_short)}</span>}
            </span>
            <Badge tone={TONES[one.verdict] ?? ""}>
              {one.verdict} {one.counts.PASS}/{(one.counts.PASS ?? 0) + (one.counts.FAIL ?? 0) + (one.counts.ERROR ?? 0)}
            </Badge>
            <Button little onClick={() => setShown([one.id])}>
              {words.proof.checks}
            </Button>
            <OpenReport id={one.id} />
            <RemoveButton
              what={`${one.model} ${one.started}`}
              disabled={remove.busy}
              onRemove={() => void remove.run(one.id)}
            />
          </li>
        ))}
      </ul>
      {shown && (
        <Dialog wide title={shown.length > 1 ? words.proof.compare : words.proof.checks} onClose={() => setShown(null)}>
          <Reports ids={shown} />
        </Dialog>
      )}
    </section>
  );
}

/** A link carries no token; where one is set, the report is fetched with it and saved as a file. */
function OpenReport({ id }: { id: string }) {
  const words = useWords();
  const path = `/proof/reports/${id}/smoke.html`;
  const save = useAction(async () => {
    const blob = await (await request(path)).blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `smoke-${id}.html`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  if (!token.get()) {
    return (
      <a className="button little" href={path} target="_blank" rel="noopener noreferrer">
        {words.proof.open}
      </a>
    );
  }
  return (
    <Button little disabled={save.busy} onClick={() => void save.run()}>
      {words.proof.save}
    </Button>
  );
}
