import { useEffect, useRef, useState } from "react";
import { useWords } from "../../i18n";
import { request, send } from "../../lib/api";
import { bytes } from "../../lib/format";
import { useAction, useGet } from "../../lib/use";
import { Badge, Button, Empty, FaultBox } from "../../parts/basic";
import { Jobs, useJobs } from "./jobs";
import { Search } from "./search";
import { OVER, type Document } from "./types";
import "./documents.css";

// Rows at first and for each asking for more, and all that a page is good for: a search finds the rest.
const STEP = 200;
const MOST_ROWS = 1000;

export default function Documents() {
  const words = useWords();
  const [tag, setTag] = useState("");
  const [limit, setLimit] = useState(STEP);
  const tagged = tag ? `&tag=${encodeURIComponent(tag)}` : "";
  const { value, fault, again } = useGet<{ documents: Document[]; next: string | null }>(`/documents?limit=${limit}${tagged}`);
  const jobs = useJobs();
  const over = jobs.filter((job) => OVER.includes(job.state)).length;
  useEffect(again, [again, over]);
  const tags = [...new Set((value?.documents ?? []).flatMap((one) => one.tags))].sort();
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
              onClick={() => setTag(one === tag ? "" : one)}
            >
              {one}
            </button>
          ))}
        </div>
      )}
      {value && !value.documents.length && !tag && (
        <Empty title={words.documents.none}>
          <p>{words.documents.noneWhy}</p>
        </Empty>
      )}
      {value && value.documents.length > 0 && <List documents={value.documents} onGone={again} />}
      {value?.next && limit < MOST_ROWS && (
        <div>
          <Button onClick={() => setLimit(limit + STEP)}>{words.more}</Button>
        </div>
      )}
      {value?.next && limit >= MOST_ROWS && <p className="quiet small">{words.documents.tooMany(MOST_ROWS)}</p>}
    </div>
  );
}

function Drop({ onAdded }: { onAdded: () => void }) {
  const words = useWords();
  const picker = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const add = useAction(async (files: File[]) => {
    // One request a file: a refused one does not take the others with it.
    for (const file of files) {
      const form = new FormData();
      form.append("file", file);
      await request("/documents", { method: "POST", body: form });
      onAdded();
    }
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
      <p>{add.busy ? words.documents.sending : words.documents.drop}</p>
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

function List({ documents, onGone }: { documents: Document[]; onGone: () => void }) {
  const words = useWords();
  const remove = useAction(async (id: string) => {
    await send("DELETE", `/documents/${encodeURIComponent(id)}`);
    onGone();
  });
  return (
    <section className="card scroll">
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
                {one.title || one.name}
                {one.title && <div className="small quiet">{one.name}</div>}
                {!one.indexed && <Badge tone="warn">{words.documents.notYet}</Badge>}
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
                <Button
                  kind="bare"
                  icon="trash"
                  aria-label={`${words.remove}: ${one.name}`}
                  disabled={remove.busy}
                  onClick={() => void remove.run(one.id)}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
