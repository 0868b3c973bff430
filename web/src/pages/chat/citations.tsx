import { useWords } from "../../i18n";
import { Dialog } from "../../parts/basic";
import { PageView } from "../documents/page";
import type { ChatMessage, Citation } from "./types";

/** Citations come as data parts beside the text that they stand for. */
export function citationsOf(message: ChatMessage): Citation[] {
  return message.parts.flatMap((part) => (part.type === "data-citation" ? [part.data as Citation] : []));
}

export function CitationLinks(props: { citations: Citation[]; onOpen: (citation: Citation) => void }) {
  const words = useWords();
  if (!props.citations.length) return null;
  return (
    <div className="row citations small">
      <span className="quiet">{words.chat.sources}</span>
      {props.citations.map((one) => (
        <button key={one.n} type="button" className="badge plain" dir="auto" onClick={() => props.onOpen(one)}>
          [{one.n}] {one.title}
          {one.page !== null && `, ${words.documents.page(one.page)}`}
        </button>
      ))}
    </div>
  );
}

/** The page with the passage marked; what has no pages is shown as its words. */
export function CitationDialog({ citation, onClose }: { citation: Citation; onClose: () => void }) {
  const words = useWords();
  const where = citation.page === null ? "" : `, ${words.documents.page(citation.page)}`;
  return (
    <Dialog wide title={`[${citation.n}] ${citation.title}${where}`} onClose={onClose}>
      {citation.snippet && (
        <blockquote className="cited" dir="auto">
          {citation.snippet}
        </blockquote>
      )}
      {citation.page !== null && <PageView document={citation.document} page={citation.page} box={citation.box} />}
    </Dialog>
  );
}
