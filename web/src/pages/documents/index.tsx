import { useEffect, useId, useRef, useState } from "react";
import { useWords } from "../../i18n";
import { Fault, request, send } from "../../lib/api";
import { bytes } from "../../lib/format";
import { useAction, useGet } from "../../lib/use";
import { Badge, Button, Empty, FaultBox, RemoveButton } from "../../parts/basic";
import { Jobs, useJobs } from "./jobs";
import { Search } from "./search";
import { OVER, type Document } from "./types";
import { Viewer } from "./viewer";
import "./documents.css";

// More rows than this are another page.
const ROWS = 100;
// The commonest, as the service has them; a row's own tags are beside it.
const MOST_TAGS = 40;

export default function Documents() {
  const words = useWords();
  const [tag, setTag] = useState("");
  // Where each page that was opened begins: after this document.
  const [places, setPlaces] = useState<string[]>([]);
  const tagged = tag ? `&tag=${encodeURIComponent(tag)}` : "";
  const after = places.length ? `&after=${encodeURIComponent(places.at(-1)!)}` : "";
  const { value, fault, again } = useGet<{ documents: Document[]; next: string | null }>(
    `/documents?limit=${ROWS}${tagged}${after}`,
  );
  const known = useGet<{ tags: { tag: string }[] }>("/tags");
  const jobs = useJobs();
  const failed = new Map(
    jobs.flatMap((job) => (job.state === "failed" && job.document ? [[job.document, words.fault(job.reason ?? "", job.code)]] : [])),
  );
  const over = jobs.filter((job) => OVER.includes(job.state)).length;
  const tagsAgain = known.again;
  const latest = useRef(over);
  useEffect(() => {
    if (latest.current === over) return;
    latest.current = over;
    again();
    tagsAgain();
  }, [again, tagsAgain, over]);
  const tags = (known.value?.tags ?? []).map((one) => one.tag).slice(0, MOST_TAGS);
  const first = places.length * ROWS;
  return (
    <div className="page">
      <header>
        <h1>{words.pages.documents}</h1>
      </header>
      <Drop onAdded={again} />
      <FaultBox fault={fault} />
      <Search />
      <Jobs jobs={jobs} />
      {(tags.length > 0 || tag) && (
        <div className="row" role="group" aria-label={words.documents.tags}>
          {[...new Set([...tags, ...(tag ? [tag] : [])])].map((one) => (
            <button
              key={one}
              type="button"
              className="badge plain tag"
              aria-pressed={one === tag}
              onClick={() => (setPlaces([]), setTag(one === tag ? "" : one))}
            >
              {one}
            </button>
          ))}
        </div>
      )}
      {tag && (
        <RenameTag
          key={tag}
          tag={tag}
          tags={tags}
          onDone={(to) => {
            setTag(to);
            setPlaces([]);
            again();
            tagsAgain();
          }}
        />
      )}
      {!value && !fault && (
        <p className="quiet" role="status">
          {words.documents.starting}
        </p>
      )}
      {value && !value.documents.length && !tag && !places.length && (
        <Empty title={words.documents.none}>
          <p>{words.documents.noneWhy}</p>
        </Empty>
      )}
      {value && value.documents.length > 0 && <List documents={value.documents} failed={failed} onGone={again} />}
      {value && (places.length > 0 || value.next) && (
        <nav className="row" aria-label={words.pages.documents}>
          <Button icon="previous" disabled={!places.length} onClick={() => setPlaces(places.slice(0, -1))}>
            {words.documents.previous}
          </Button>
          <span className="number quiet" role="status">
            {words.documents.range(first + Math.min(1, value.documents.length), first + value.documents.length)}
          </span>
          <Button icon="next" disabled={!value.next} onClick={() => setPlaces([...places, value.next!])}>
            {words.documents.next}
          </Button>
        </nav>
      )}
    </div>
  );
}

/** A name that is there already joins both. */
function RenameTag(props: { tag: string; tags: string[]; onDone: (to: string) => void }) {
  const words = useWords();
  const id = useId();
  const [to, setTo] = useState(props.tag);
  const rename = useAction(async () => {
    const made = await send<{ tag: string }>("POST", "/tags/merge", { tags: [props.tag], to });
    props.onDone(made.tag);
  });
  const name = to.trim();
  const joins = name !== props.tag && props.tags.includes(name);
  return (
    <form className="row" onSubmit={(event) => (event.preventDefault(), void rename.run())}>
      <input
        className="input tag-name"
        dir="auto"
        list={id}
        aria-label={words.documents.renameTag(props.tag)}
        value={to}
        onChange={(event) => setTo(event.target.value)}
      />
      <datalist id={id}>
        {props.tags.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <Button little type="submit" disabled={rename.busy || !name || name === props.tag}>
        {joins ? words.documents.mergeTag : words.rename}
      </Button>
      <FaultBox fault={rename.fault} />
    </form>
  );
}

function Drop({ onAdded }: { onAdded: () => void }) {
  const words = useWords();
  const picker = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [told, setTold] = useState("");
  const add = useAction(async (files: File[]) => {
    // One request a file: a refused one does not take the others with it.
    const faults: Fault[] = [];
    for (const [place, file] of files.entries()) {
      setTold(words.documents.sendingOf(file.name, place + 1, files.length));
      const form = new FormData();
      form.append("file", file);
      await request("/documents", { method: "POST", body: form }).catch((error: Fault) =>
        faults.push(new Fault(`${file.name}: ${words.fault(error.message, error.code)}`, error.status, error.code)),
      );
      onAdded();
    }
    if (faults.length) throw new Fault(faults.map((one) => one.message).join("\n"), faults[0]!.status);
  });
  return (
    <section
      className={`drop ${over ? "over" : ""}`}
      onDragOver={(event) => (event.preventDefault(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void add.run([...event.dataTransfer.files]);
      }}
    >
      <p>{add.busy ? told : words.documents.drop}</p>
      <Button icon="plus" disabled={add.busy} onClick={() => picker.current?.click()}>
        {words.documents.choose}
      </Button>
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label={words.documents.choose}
        onChange={(event) => {
          void add.run([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
      <FaultBox fault={add.fault} />
    </section>
  );
}

function List(props: { documents: Document[]; failed: Map<string, string>; onGone: () => void }) {
  const { documents, failed, onGone } = props;
  const words = useWords();
  const [shown, setShown] = useState<Document | null>(null);
  const remove = useAction(async (id: string) => {
    await send("DELETE", `/documents/${encodeURIComponent(id)}`);
    onGone();
  });
  return (
    <section className="card scroll listed">
      <FaultBox fault={remove.fault} />
      <table>
        <thead>
          <tr>
            <th>{words.documents.name}</th>
            <th>{words.documents.pages}</th>
            <th>{words.models.size}</th>
            <th>{words.documents.tags}</th>
            <th>
              <span className="hidden">{words.remove}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {documents.map((one) => (
            <tr key={one.id}>
              <td dir="auto">
                <button type="button" className="link" aria-label={`${words.documents.open}: ${one.name}`} onClick={() => setShown(one)}>
                  {one.title || one.name}
                </button>
                {one.title && <div className="small quiet">{one.name}</div>}
                {!one.indexed && (
                  <div>
                    <Badge tone={failed.has(one.id) ? "bad" : "warn"}>
                      {failed.has(one.id) ? words.documents.unreadable : words.documents.notYet}
                    </Badge>{" "}
                    <span className="small quiet">{failed.get(one.id)}</span>
                  </div>
                )}
              </td>
              <td className="number">{one.pages ?? "–"}</td>
              <td className="number">{bytes(one.bytes)}</td>
              <td>
                <div className="row">
                  {one.tags.map((tag) => (
                    <Badge key={tag} tone="plain">
                      {tag}
                    </Badge>
                  ))}
                </div>
              </td>
              <td>
                <RemoveButton what={one.name} disabled={remove.busy} onRemove={() => void remove.run(one.id)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown && <Viewer document={shown} onClose={() => setShown(null)} />}
    </section>
  );
}
