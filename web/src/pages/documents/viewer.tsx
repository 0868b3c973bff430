import { useState } from "react";
import { useWords } from "../../i18n";
import { useGet } from "../../lib/use";
import { Button, Dialog, FaultBox } from "../../parts/basic";
import { PageView } from "./page";
import type { Document, Result } from "./types";

// Of a document's text at once; a search finds what is further on.
const SHOWN_CHARACTERS = 100_000;

/** A document as it was taken in: its pages, or its words where it has none. */
export function Viewer({ document, onClose }: { document: Document; onClose: () => void }) {
  return (
    <Dialog wide title={document.title || document.name} onClose={onClose}>
      {document.type === "pdf" && document.pages ? (
        <Pages document={document} count={document.pages} />
      ) : (
        <Text document={document} />
      )}
    </Dialog>
  );
}

/** Where a dialog puts the keyboard when it opens. */
const takesKeys = (element: HTMLElement | null) => element?.setAttribute("autofocus", "");

function Pages({ document, count }: { document: Document; count: number }) {
  const words = useWords();
  const [page, setPage] = useState(1);
  const turn = (to: number) => setPage(Math.min(count, Math.max(1, to)));
  const pressed = (event: React.KeyboardEvent) => {
    if (event.key === "ArrowLeft" || event.key === "PageUp") turn(page - 1);
    else if (event.key === "ArrowRight" || event.key === "PageDown") turn(page + 1);
    else return;
    event.preventDefault();
  };
  return (
    <div className="stack pages" ref={takesKeys} tabIndex={-1} onKeyDown={pressed}>
      <div className="row">
        <Button icon="previous" disabled={page === 1} onClick={() => turn(page - 1)}>
          {words.documents.previous}
        </Button>
        <span className="number" role="status">
          {words.documents.page(page)} / {count}
        </span>
        <Button icon="next" disabled={page === count} onClick={() => turn(page + 1)}>
          {words.documents.next}
        </Button>
      </div>
      <PageView document={document.id} page={page} />
    </div>
  );
}

function Text({ document }: { document: Document }) {
  const words = useWords();
  const path = `/documents/${encodeURIComponent(document.id)}/chunks`;
  const { value, fault } = useGet<{ parents: Result["parent"][] }>(path);
  if (fault) return <FaultBox fault={fault} />;
  if (!value) return <p className="quiet">{words.loading}</p>;
  const text = value.parents.map((one) => one.text ?? "").join("\n\n");
  if (!text.trim()) return <p className="quiet">{words.documents.noText}</p>;
  return (
    <pre className="log" dir="auto" tabIndex={0}>
      {text.slice(0, SHOWN_CHARACTERS)}
      {text.length > SHOWN_CHARACTERS && "…"}
    </pre>
  );
}
