// What models and documents say, as text: no HTML of theirs is ever made into elements, links open
// apart, and pictures come from this service or not at all.

import { Children, Component, isValidElement, memo, useRef, type ReactNode } from "react";
import Shown, { type Components } from "react-markdown";
import gfm from "remark-gfm";
import { CopyButton } from "./basic";
import { grown, type Blocks } from "./blocks";
import { Formula } from "./formula";
import { formulas, parted } from "./formulas";

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
  formula: Formula,
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
  title?: string | null;
  label?: string | null;
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

const DEEPEST = 60;

/** What is nested deeper is nothing that anybody wrote to be read, and costs more to draw the deeper. */
function shallow() {
  const visit = (node: Node, depth: number): void => {
    if (depth > DEEPEST) throw new Error("nested too deeply");
    node.children?.forEach((one) => visit(one, depth + 1));
  };
  return (tree: Node) => visit(tree, 0);
}

const said = (value: string): Node => ({ type: "text", value });

/** Addresses and notes that stand apart from where they are meant, as below an answer: another block
 * does not know of them, and they would be seen nowhere. */
function defined() {
  const shown = (node: Node): Node[] => {
    const name = node.label ?? "";
    if (node.type === "footnoteReference") return [said(`[^${name}]`)];
    const children = node.children?.flatMap(shown);
    if (node.type === "footnoteDefinition") {
      return [{ type: "paragraph", children: [said(`[^${name}]:`)] }, ...(children ?? [])];
    }
    if (node.type === "definition") {
      const link = { type: "link", url: node.url ?? "", children: [said(node.url ?? "")] };
      return [{ type: "paragraph", children: [said(`[${name}]: `), link, said(node.title ? ` ${node.title}` : "")] }];
    }
    return [children ? { ...node, children } : node];
  };
  return (tree: Node): void => void (tree.children = tree.children?.flatMap(shown));
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

// So much of a text is laid out anew as it grows.
const PIECE_CHARACTERS = 4_000;

/** What is never formatted, in pieces that stay as they are: at the ends of lines, where there are such. */
function Pieces({ text }: { text: string }) {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const line = text.lastIndexOf("\n", at + PIECE_CHARACTERS) + 1;
    const end = line > at && line < text.length ? line : at + PIECE_CHARACTERS;
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces.map((piece, place) => <Piece key={place} text={piece} />);
}

const Piece = memo(({ text }: { text: string }) => <span className="piece">{text.replace(/\n$/, "")}</span>);

function Plain({ text }: { text: string }) {
  return (
    <pre className="log" dir="auto" tabIndex={0}>
      <Pieces text={text} />
    </pre>
  );
}

/** What is nested deeper than can be read is shown as it is, and nothing else of the page is lost. */
class Formatted extends Component<{ plain: ReactNode; children: ReactNode }, { fault: boolean }> {
  override state = { fault: false };

  static getDerivedStateFromError() {
    return { fault: true };
  }

  override render() {
    return this.state.fault ? this.props.plain : this.props.children;
  }
}

const Block = memo(({ text, cited }: { text: string; cited: string }) => {
  if (text.length > LARGEST_CHARACTERS) {
    const fence = OPENS.exec(text);
    if (fence) {
      const code = text.slice(fence[0].length).replace(CLOSES, "");
      return <Code className={`language-${fence[1]!.trim()}`}>{code}</Code>;
    }
    return <Plain text={text} />;
  }
  const given = parted(text);
  const plugins = [gfm, shallow, defined, ...(given.formulas.length ? [formulas(given.formulas)] : []), ...(cited ? [cites(cited)] : [])];
  return (
    <Formatted plain={<Plain text={text} />}>
      <Shown remarkPlugins={plugins} components={COMPONENTS as Components}>
        {given.text.replace(NUMBER, "$1\\$2")}
      </Shown>
    </Formatted>
  );
});
