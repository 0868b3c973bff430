import { useEffect, useRef, useState } from "react";
import { useWords } from "../../i18n";
import { named, send, type Fault } from "../../lib/api";
import { bytes, number, seconds } from "../../lib/format";
import { useSnapshot } from "../../lib/live";
import { messages } from "../../lib/sse";
import { useAction, useGet, type Loaded } from "../../lib/use";
import { Badge, Bar, Button, FaultBox, RemoveButton } from "../../parts/basic";

export interface Row {
  id: string;
  aliases: string[];
  capabilities: string[];
  context: number | null;
  size_bytes: number | null;
  memory_bytes?: number | null;
  licence?: string | null;
  usable: boolean;
  reasons: string[];
  where: string | null;
  path: string | null;
}

interface Download {
  model: string;
  state: string;
  done?: number;
  total?: number | null;
  rate?: number | null;
  seconds_left?: number | null;
  message?: string | null;
  error?: { code: string; message: string } | null;
}

// More rows than this are asked for by another word in the filter.
const SHOWN_ROWS = 100;
const ENDED = ["done", "failed", "cancelled"];

export type Catalogue = Loaded<{ models: Row[] }>;

export function CatalogueList({ catalogue }: { catalogue: Catalogue }) {
  const words = useWords();
  const { value, fault, again } = catalogue;
  const begun = useGet<Download[]>("/models/pull");
  const [filter, setFilter] = useState("");
  // What ended since that list came: a row drawn anew must not begin it again.
  const [over, setOver] = useState<ReadonlySet<string>>(new Set());
  const changed = (id: string) => {
    setOver((before) => new Set(before).add(id));
    again();
  };
  const wanted = filter.trim().toLowerCase();
  const rows = (value?.models ?? []).filter((one) =>
    [one.id, ...one.aliases, ...one.capabilities].some((text) => text.toLowerCase().includes(wanted)),
  );
  const unended = (begun.value ?? []).filter((one) => !ENDED.includes(one.state) && !over.has(one.model));
  const running = new Set(unended.map((one) => one.model));
  const unlisted = wanted.includes("/") && !rows.some((one) => one.id.toLowerCase() === wanted);
  return (
    <section className="card" aria-label={words.models.catalogue}>
      <h2>{words.models.catalogue}</h2>
      <input
        className="input"
        type="search"
        value={filter}
        placeholder={words.models.filter}
        aria-label={words.models.filter}
        onChange={(event) => setFilter(event.target.value)}
      />
      <FaultBox fault={fault} />
      <ul className="shelf">
        {rows.slice(0, SHOWN_ROWS).map((one) => (
          <ShelfRow key={one.path ?? one.id} row={one} running={running.has(one.id)} onChange={() => changed(one.id)} />
        ))}
        {unlisted && (
          <ShelfRow
            key={filter}
            row={{ ...UNLISTED, id: filter.trim() }}
            running={running.has(filter.trim())}
            onChange={() => changed(filter.trim())}
          />
        )}
      </ul>
      {rows.length > SHOWN_ROWS && <p className="small quiet">{words.models.moreRows(rows.length - SHOWN_ROWS)}</p>}
      {value && !rows.length && !unlisted && <p className="quiet">{words.models.noneFound}</p>}
    </section>
  );
}

const UNLISTED: Row = {
  id: "",
  aliases: [],
  capabilities: [],
  context: null,
  size_bytes: null,
  usable: false,
  reasons: [],
  where: null,
  path: null,
};

function ShelfRow({ row, running, onChange }: { row: Row; running: boolean; onChange: () => void }) {
  const words = useWords();
  const download = useDownload(row.id, running, onChange);
  const remove = useAction(async () => {
    await send("DELETE", `/models/catalogue/${named(row.id)}`);
    onChange();
  });
  const total = useSnapshot()?.memory.total;
  const needs = row.memory_bytes ?? null;
  // What began to come, too, and came no further: a download goes on where it was.
  const wanting = !row.path || (row.where === "hub" && !row.usable);
  const facts = [bytes(row.size_bytes), needs ? words.models.needs(bytes(needs)) : "", row.context ? `${words.models.context} ${number(row.context)}` : "", row.licence ?? ""];
  return (
    <li>
      <div className="row apart">
        <span className="shelf-name">
          <strong>{row.aliases[0] ?? row.id}</strong>
          {row.aliases[0] && <span className="small quiet mono block">{row.id}</span>}
        </span>
        <span className="row">
          {needs !== null && total && needs > total && <Badge tone="warn">{words.models.tooBig}</Badge>}
          {row.usable && <Badge tone="good">{words.models.where[row.where ?? ""] ?? row.where}</Badge>}
          {row.path && !row.usable && !download.running && <Badge tone="bad">{words.models.unusable}</Badge>}
          {wanting && !download.running && (
            <Button little onClick={download.begin} aria-label={`${words.models.pull}: ${row.id}`}>
              {words.models.pull}
            </Button>
          )}
          {download.running && (
            <Button little onClick={download.end}>
              {words.models.cancelPull}
            </Button>
          )}
          {row.where === "hub" && (
            <RemoveButton what={row.id} disabled={remove.busy} onRemove={() => void remove.run()} />
          )}
        </span>
      </div>
      <div className="row small">
        {row.capabilities.map((one) => (
          <Badge tone="plain" key={one}>
            {one}
          </Badge>
        ))}
        <span className="quiet">{facts.filter((one) => one && one !== "–").join(" · ")}</span>
      </div>
      {!download.running && row.reasons.map((why) => (
        <p className="small bad" key={why}>
          {words.told(why)}
        </p>
      ))}
      {download.event && <Progress event={download.event} name={row.id} />}
      <FaultBox fault={download.fault ?? remove.fault} />
    </li>
  );
}

function Progress({ event, name }: { event: Download; name: string }) {
  const words = useWords();
  if (event.error) return <p className="fault small">{words.fault(event.error.message, event.error.code)}</p>;
  const { done = 0, total, rate, seconds_left } = event;
  return (
    <div className="stack" style={{ gap: 4 }}>
      {!ENDED.includes(event.state) && <Bar part={total ? done / total : 0} label={`${words.models.pull}: ${name}`} />}
      <span className="small quiet number" role="status">
        {words.models.pullStates[event.state] ?? event.state}
        {total ? ` · ${bytes(done)} / ${bytes(total)}` : ""}
        {rate ? ` · ${bytes(rate)}/s` : ""}
        {seconds_left ? ` · ${words.models.left(seconds(seconds_left))}` : ""}
      </span>
    </div>
  );
}

/** A download as its events tell it; the service goes on with it when the page is left. */
function useDownload(id: string, running: boolean, onOver: () => void) {
  const [wanted, setWanted] = useState(running);
  const [event, setEvent] = useState<Download | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const over = useRef(onOver);
  over.current = onOver;
  useEffect(() => {
    if (running) setWanted(true);
  }, [running]);
  useEffect(() => {
    if (!wanted) return;
    const stop = new AbortController();
    void (async () => {
      try {
        const init = {
          method: "POST",
          body: JSON.stringify({ model: id, stream: true }),
          headers: { "content-type": "application/json" },
        };
        for await (const message of messages("/models/pull", stop.signal, init)) {
          if (message.data === "[DONE]") break;
          setEvent(JSON.parse(message.data) as Download);
        }
        over.current();
      } catch (error) {
        if (!stop.signal.aborted) setFault(error as Fault);
      }
      if (!stop.signal.aborted) setWanted(false);
    })();
    return () => stop.abort();
  }, [id, wanted]);
  return {
    running: wanted,
    event,
    fault,
    begin: () => (setFault(null), setWanted(true)),
    end: () => void send("DELETE", `/models/pull/${named(id)}`).catch((error: Fault) => setFault(error)),
  };
}
