import { memo, useState } from "react";
import { useWords } from "../../i18n";
import { seconds } from "../../lib/format";
import { Button, CopyButton } from "../../parts/basic";
import { Markdown } from "../../parts/markdown";
import { CitationDialog, CitationLinks, citationsOf } from "./citations";
import { Told } from "./told";
import { ToolCard, toolOf } from "./tool";
import type { ChatMessage, Citation, Cost } from "./types";

interface Props {
  message: ChatMessage;
  growing: boolean;
  idle: boolean;
  /** Its fault is told below, with the way to try again. */
  faultBelow: boolean;
  onRegenerate: () => void;
  onBranch: () => void;
}

export const MessageView = memo(Whole, (a, b) => a.message === b.message && a.growing === b.growing && a.idle === b.idle && a.faultBelow === b.faultBelow);

function Whole({ message, growing, idle, faultBelow, onRegenerate, onBranch }: Props) {
  const words = useWords();
  const text = message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  const mine = message.role === "user";
  const end = message.metadata?.mlxd;
  const cost = end && !("error" in end) ? end : undefined;
  const empty = !message.parts.some((part) => part.type !== "step-start");
  const citations = citationsOf(message);
  const cited = citations.map((one) => one.n).join(" ");
  const [shown, setShown] = useState<Citation | null>(null);
  const open = (event: React.MouseEvent) => {
    const place = (event.target as Element).closest?.("a")?.getAttribute("href") ?? "";
    const found = citations.find((one) => place === `#cite-${one.n}`);
    if (!found) return;
    event.preventDefault();
    setShown(found);
  };
  return (
    <article className={`message ${message.role}`} aria-label={mine ? words.chat.you : words.chat.model} aria-busy={growing}>
      <div className="message-body" onClick={open}>
        {message.parts.map((part, place) => (
          <Part key={place} part={part} cited={cited} growing={growing} />
        ))}
        <CitationLinks citations={citations} onOpen={setShown} />
        {shown && <CitationDialog citation={shown} onClose={() => setShown(null)} />}
      </div>
      {cost?.finish === "length" && <p className="small warn">{words.chat.cutOff}</p>}
      {!faultBelow && end && "error" in end && <Told error={end.error} />}
      {!mine && !end && !growing && !faultBelow && <p className="small quiet">{words.chat.stopped}</p>}
      {idle && (
        <div className="message-tools row">
          {!empty && <CopyButton text={text} />}
          {!mine && <Button kind="bare" little icon="again" aria-label={words.chat.regenerate} onClick={onRegenerate} />}
          {!empty && <Button kind="bare" little icon="branch" aria-label={words.chat.branch} onClick={onBranch} />}
          {cost && <Took cost={cost} />}
        </div>
      )}
    </article>
  );
}

function Took({ cost }: { cost: Cost }) {
  const words = useWords();
  const told = [cost.model, words.chat.tokens(cost.tokens), seconds(cost.seconds)];
  return <span className="small quiet number">{told.filter(Boolean).join(" · ")}</span>;
}

function Part({ part, cited, growing }: { part: ChatMessage["parts"][number]; cited: string; growing: boolean }) {
  const words = useWords();
  if (part.type === "text") return part.text ? <Markdown text={part.text} cited={cited} /> : null;
  if (part.type === "reasoning") {
    return (
      <details className="reasoning small">
        <summary>{growing && part.state === "streaming" ? words.chat.thinking : words.chat.thought}</summary>
        <Markdown text={part.text} />
      </details>
    );
  }
  if (part.type === "file" && part.mediaType.startsWith("image/")) {
    return <img className="picture" src={part.url} alt={part.filename ?? words.chat.picture} />;
  }
  const tool = toolOf(part);
  return tool ? <ToolCard tool={tool} /> : null;
}
