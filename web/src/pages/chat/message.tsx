import { memo, useState } from "react";
import { useWords } from "../../i18n";
import { Button } from "../../parts/basic";
import { Markdown } from "../../parts/markdown";
import { CitationDialog, CitationLinks, citationsOf, linked } from "./citations";
import { ToolCard, toolOf } from "./tool";
import type { ChatMessage, Citation } from "./types";

interface Props {
  message: ChatMessage;
  growing: boolean;
  idle: boolean;
  onRegenerate: () => void;
  onBranch: () => void;
}

export const MessageView = memo(Whole, (a, b) => a.message === b.message && a.growing === b.growing && a.idle === b.idle);

function Whole({ message, growing, idle, onRegenerate, onBranch }: Props) {
  const words = useWords();
  const text = message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  const mine = message.role === "user";
  const citations = citationsOf(message);
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
          <Part key={place} part={part} citations={citations} />
        ))}
        <CitationLinks citations={citations} onOpen={setShown} />
        {shown && <CitationDialog citation={shown} onClose={() => setShown(null)} />}
      </div>
      {idle && (
        <div className="message-tools row">
          <CopyButton text={text} />
          {!mine && <Button kind="bare" little icon="again" aria-label={words.chat.regenerate} onClick={onRegenerate} />}
          <Button kind="bare" little icon="branch" aria-label={words.chat.branch} onClick={onBranch} />
        </div>
      )}
    </article>
  );
}

function Part({ part, citations }: { part: ChatMessage["parts"][number]; citations: Citation[] }) {
  const words = useWords();
  if (part.type === "text") return part.text ? <Markdown text={linked(part.text, citations)} /> : null;
  if (part.type === "reasoning") {
    return (
      <details className="reasoning small">
        <summary>{part.state === "streaming" ? words.chat.thinking : words.chat.thought}</summary>
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

function CopyButton({ text }: { text: string }) {
  const words = useWords();
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return <Button kind="bare" little icon="copy" aria-label={copied ? words.copied : words.copy} onClick={copy} />;
}
