// What models and documents say, as text: no HTML of theirs is ever made into elements, links open
// apart, and pictures come from this service or not at all.

import { Children, isValidElement, memo, useRef, type ReactNode } from "react";
import Shown from "react-markdown";
import gfm from "remark-gfm";
import { CopyButton } from "./basic";
import { grown, type Blocks } from "./blocks";

function Code({ children, className }: { children?: ReactNode; className?: string }) {
  const text = String(children ?? "");
  if (!className && !text.includes("\n")) return <code>{text}</code>;
  return (
    <div className="code" dir="ltr">
      <div className="row apart small quiet">
        <span>{className?.replace("language-", "") ?? ""}</span>
        <CopyButton text={text}>.</CopyButton>
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
  a: ({ href, children }: { href?: string; children?: ReactNode }) =>
    href ? (
      <a href={href} target={href.startsWith("#") ? undefined : "_blank"} rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      <>{children}</>
    ),
  // As wide as its longest number: what stands out to the left is cut off.
  ol: ({ start, children }: { start?: number; children?: ReactNode }) => {
    const count = Children.toArray(children).filter(isValidElement).length;
    const digits = String((start ?? 1) + Math.max(0, count - 1)).length;
    return (
      <ol start={start} style={{ paddingInlineStart: `max(1.5em, ${digits + 2}ch)` }}>
        {children}
      </ol>
    );
  },
  img: ({ alt, src }: { alt?: string; src?: string | Blob }) => (
    <span className="quiet">
      [{alt || "image"}
      {typeof src === "string" && src ? `: ${src}` : ""}]
    </span>
  ),
};

interface Node {
  type: string;
  value?: string;
  url?: string;
  children?: Node[];
}

/** [n] in what is said, where there is such a passage, as a link; in code it stays as it is. */
function cites(numbers: string) {
  const there = new Set(numbers.split(" "));
  const split = (text: string): Node[] =>
    text.split(/(\[\d{1,3}\])/).map((piece) => {
      const n = piece.slice(1, -1);
      const said: Node = { type: "text", value: piece };
      return /^\[\d/.test(piece) && there.has(n) ? { type: "link", url: `#cite-${n}`, children: [said] } : said;
    });
  const visit = (node: Node): void => {
    if (!node.children || node.type === "link") return;
    node.children = node.children.flatMap((one) =>
      one.type === "text" && one.value?.includes("[") ? split(one.value) : (visit(one), [one]),
    );
  };
  return () => visit;
}

/** A long answer is split at blank lines, so that only its last block is read again as it grows;
 * `cited`: the numbers of its passages, with spaces between. */
export function Markdown({ text, cited = "" }: { text: string; cited?: string }) {
  const blocks = useRef<Blocks>(undefined);
  blocks.current = grown(blocks.current, text);
  return (
    <div className="prose" dir="auto">
      {blocks.current.groups.map((group, place) => (
        <Group key={place} blocks={group} cited={cited} />
      ))}
    </div>
  );
}

const Group = memo(({ blocks, cited }: { blocks: string[]; cited: string }) => (
  <div className="prose-group" dir="auto">
    {blocks.map((block, place) => (
      <Block key={place} text={block} cited={cited} />
    ))}
  </div>
));

// A block of more is not formatted: reading it again and again as it grows would hold the page up.
const LARGEST_CHARACTERS = 20_000;
const OPENS = /^ {0,3}(?:`{3,}|~{3,})([^\n`]*)\n/;
const CLOSES = /\n {0,3}[`~]{3,} *$/;
// «42.» alone is an answer, not the beginning of a list.
const NUMBER = /^(\s*\d+)([.)])\s*$/;

const Block = memo(({ text, cited }: { text: string; cited: string }) => {
  if (text.length > LARGEST_CHARACTERS) {
    const fence = OPENS.exec(text);
    if (fence) {
      const code = text.slice(fence[0].length).replace(CLOSES, "");
      return <Code className={`language-${fence[1]!.trim()}`}>{code}</Code>;
    }
    return (
      <pre className="log" dir="auto" tabIndex={0}>
        {text}
      </pre>
    );
  }
  return (
    <Shown remarkPlugins={cited ? [gfm, cites(cited)] : [gfm]} components={COMPONENTS}>
      {text.replace(NUMBER, "$1\\$2")}
    </Shown>
  );
});
