// What models and documents say, as text: no HTML of theirs is ever made into elements, links open
// apart, and pictures come from this service or not at all.

import { memo, useState, type ReactNode } from "react";
import Shown from "react-markdown";
import gfm from "remark-gfm";
import { useWords } from "../i18n";
import { Button } from "./basic";

const PLUGINS = [gfm];

function Code({ children, className }: { children?: ReactNode; className?: string }) {
  const words = useWords();
  const [copied, setCopied] = useState(false);
  const text = String(children ?? "");
  if (!className && !text.includes("\n")) return <code>{text}</code>;
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <div className="code">
      <div className="row apart small quiet">
        <span>{className?.replace("language-", "") ?? ""}</span>
        <Button kind="bare" little onClick={copy}>
          {copied ? words.copied : words.copy}
        </Button>
      </div>
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  );
}

const COMPONENTS = {
  code: Code,
  pre: ({ children }: { children?: ReactNode }) => <>{children}</>,
  table: ({ children }: { children?: ReactNode }) => (
    <div className="scroll" tabIndex={0} role="group">
      <table>{children}</table>
    </div>
  ),
  a: ({ href, children }: { href?: string; children?: ReactNode }) => (
    <a href={href} target={href?.startsWith("#") ? undefined : "_blank"} rel="noopener noreferrer nofollow">
      {children}
    </a>
  ),
  img: ({ alt, src }: { alt?: string; src?: string | Blob }) => (
    <span className="quiet">
      [{alt || "image"}
      {typeof src === "string" && src ? `: ${src}` : ""}]
    </span>
  ),
};

/** A long answer is split at blank lines, so that only its last block is read again as it grows. */
export function Markdown({ text }: { text: string }) {
  return (
    <div className="prose" dir="auto">
      {blocks(text).map((block, place) => (
        <Block key={place} text={block} />
      ))}
    </div>
  );
}

const Block = memo(({ text }: { text: string }) => (
  <Shown remarkPlugins={PLUGINS} components={COMPONENTS}>
    {text}
  </Shown>
));

function blocks(text: string): string[] {
  const made: string[] = [];
  let open: string | null = null;
  let current: string[] = [];
  for (const line of text.split("\n")) {
    const fence = /^\s{0,3}(```+|~~~+)/.exec(line)?.[1];
    if (fence && open === null) open = fence;
    else if (fence && open !== null && fence.startsWith(open)) open = null;
    const breaks = open === null && line.trim() === "" && !continues(current);
    if (breaks) {
      if (current.length) made.push(current.join("\n"));
      current = [];
    } else current.push(line);
  }
  if (current.length) made.push(current.join("\n"));
  return made;
}

// A list goes on after a blank line, and numbering with it.
function continues(lines: string[]): boolean {
  const last = lines.at(-1) ?? "";
  return /^\s*([-*+]|\d+[.)])\s/.test(last) || /^\s{2,}\S/.test(last);
}
