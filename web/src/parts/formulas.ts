// Formulas as models write them: $…$, $$…$$, \(…\), \[…\]. They are taken out before Markdown is
// read, which would take their signs for its own, and put in again afterwards.

interface Found {
  tex: string;
  display: boolean;
  source: string;
}

export interface Parted {
  text: string;
  formulas: Found[];
}

// A sign that opens one without an end is not looked for further than this.
const FORMULA =
  /(?<!\\)\$\$([^]{1,2000}?)\$\$|(?<!\\)\\\[([^]{1,2000}?)\\\]|(?<!\\)\\\(([^\n]{1,1000}?)\\\)|(?<![\\\w$])\$(?![\s$])((?:\\.|[^$`\\\n]){1,1000}?)(?<!\s)\$(?![\d$])/g;
const BLANK_LINE = /\n[ \t]*\n/;
// Marks for their places, of an area that no script uses.
const MARKS = /[\uE000\uE001]/g;
const MARKED = /\uE000(\d+)\uE001/g;

// What stands in escaped brackets is a formula when it looks like one, and not «[see below]».
const SIGNS = /[\\^_=+<>|]|^\s*[a-z]\s*$/i;
const WORDS = /^\s*[a-z]{2,}(?:\s+[a-z]{2,})+\s*$/i;

/** Sums of money are no formulas: «$5 and 10$», «$USER:$GROUP». */
function isFormula(tex: string, after: string): boolean {
  const plain = tex.replace(/\\(?:text|mathrm|operatorname)\s*\{[^{}]*\}/g, "").replace(/\\[a-z]+/gi, "");
  if (/^\d/.test(tex) && /[a-z]{2,}|[\u3400-\u9fff]/i.test(plain)) return false;
  return !/\w/.test(after) || /[\\^_={]/.test(tex) || /^[a-z]$/i.test(tex);
}

export function parted(text: string): Parted {
  if (!/\$|\\[([]/.test(text)) return { text, formulas: [] };
  const formulas: Found[] = [];
  const made = text.replace(MARKS, "").replace(FORMULA, (source: string, ...given: unknown[]) => {
    const [twice, square, round, once, at, whole] = given as [string?, string?, string?, string?, number?, string?];
    const tex = (twice ?? square ?? round ?? once ?? "").trim();
    if (!tex || BLANK_LINE.test(source)) return source;
    if (once !== undefined && !isFormula(once, whole!.charAt(at! + source.length))) return source;
    if ((square !== undefined && !SIGNS.test(square)) || (round !== undefined && WORDS.test(round))) return source;
    formulas.push({ tex, display: twice !== undefined || square !== undefined, source });
    return `\uE000${formulas.length - 1}\uE001`;
  });
  return formulas.length ? { text: made, formulas } : { text, formulas };
}

interface Node {
  type: string;
  value?: string;
  url?: string;
  title?: string | null;
  alt?: string | null;
  data?: unknown;
  children?: Node[];
}

/** A plugin of the reader of Markdown. What turned out to be code, or an address, is as it was. */
export function formulas(found: Found[]) {
  const back = (text: string): string => text.replace(MARKED, (mark, n: string) => found[Number(n)]?.source ?? mark);
  const split = (text: string): Node[] =>
    text.split(/(\uE000\d+\uE001)/).filter(Boolean).map((piece) => {
      const one = piece.startsWith("\uE000") ? found[Number(piece.slice(1, -1))] : undefined;
      if (!one) return { type: "text", value: piece };
      const hProperties = { tex: one.tex, source: one.source, display: one.display };
      return { type: "formula", data: { hName: "formula", hProperties }, children: [] };
    });
  const visit = (node: Node): void => {
    if (node.value) node.value = back(node.value);
    if (node.url) node.url = back(node.url);
    if (node.title) node.title = back(node.title);
    if (node.alt) node.alt = back(node.alt);
    node.children = node.children?.flatMap((one) => (one.type === "text" ? split(one.value ?? "") : (visit(one), [one])));
  };
  return () => visit;
}
