import { useEffect, useState } from "react";
import { useWords } from "../../i18n";
import { request } from "../../lib/api";
import { useGet } from "../../lib/use";
import { Badge, Button, Dialog, FaultBox } from "../../parts/basic";
import { PageView } from "./page";
import type { Found, Result } from "./types";

export function Search() {
  const words = useWords();
  const [text, setText] = useState("");
  const [query, setQuery] = useState("");
  const { value, fault } = useGet<Found>(query ? `/search?query=${encodeURIComponent(query)}` : null);
  return (
    <section className="stack" aria-label={words.documents.search}>
      <form
        className="row"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          setQuery(text.trim());
        }}
      >
        <input
          className="input"
          style={{ flex: 1 }}
          type="search"
          dir="auto"
          value={text}
          placeholder={words.documents.search}
          aria-label={words.documents.search}
          onChange={(event) => setText(event.target.value)}
        />
        <Button icon="search" type="submit">
          {words.documents.find}
        </Button>
      </form>
      <FaultBox fault={fault} />
      {query && value && (
        <>
          {value.notes.map((note) => (
            <p className="small quiet" key={note}>
              {words.told(note)}
            </p>
          ))}
          <p className="small quiet" role="status">
            {value.results.length ? words.documents.results(value.results.length) : words.documents.nothing(query)}
          </p>
          {value.results.map((one) => (
            <ResultCard key={one.parent.id} result={one} />
          ))}
        </>
      )}
    </section>
  );
}

function ResultCard({ result }: { result: Result }) {
  const words = useWords();
  const [open, setOpen] = useState(false);
  const { document, parent } = result;
  return (
    <article className="card">
      <div className="row apart">
        <h3 dir="auto">
          {document.name}
          {parent.page !== null && <span className="quiet"> · {words.documents.page(parent.page)}</span>}
        </h3>
        <Badge tone="plain">{words.documents.kinds[parent.kind] ?? parent.kind}</Badge>
      </div>
      <p dir="auto" className="snippet">
        {marked(result.snippet, result.highlights)}
      </p>
      {parent.image && <Picture path={parent.image} name={document.name} />}
      {parent.page !== null && (
        <div className="row">
          <Button little onClick={() => setOpen(true)}>
            {words.documents.show}
          </Button>
        </div>
      )}
      {open && (
        <Dialog title={document.name} onClose={() => setOpen(false)}>
          <PageView document={document.id} page={parent.page!} box={parent.box} />
        </Dialog>
      )}
    </article>
  );
}

function marked(text: string, spans: [number, number][]) {
  // Positions count characters, where a string here counts halves of some of them.
  const characters = [...text];
  const made = [];
  let at = 0;
  for (const [start, end] of spans) {
    made.push(characters.slice(at, start).join(""));
    made.push(<mark key={start}>{characters.slice(start, end).join("")}</mark>);
    at = end;
  }
  made.push(characters.slice(at).join(""));
  return made;
}

function Picture({ path, name }: { path: string; name: string }) {
  const [source, setSource] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    let made = "";
    request(path, { signal: stop.signal })
      .then((answer) => answer.blob())
      .then((blob) => setSource((made = URL.createObjectURL(blob))))
      .catch(() => undefined); // the result stands without its picture
    return () => {
      stop.abort();
      if (made) URL.revokeObjectURL(made);
    };
  }, [path]);
  return source ? <img className="found-picture" src={source} alt={name} /> : null;
}
