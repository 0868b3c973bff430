// A growing text in blocks that stand for themselves, and these in groups: what is over stays the
// same object, so that only the end is read, drawn and laid out again.

export interface Blocks {
  text: string;
  /** Where the last block begins, which may still change. */
  open: number;
  groups: string[][];
}

const GROUP = 16;

export function grown(before: Blocks | undefined, text: string): Blocks {
  if (before?.text === text) return before;
  const more = before && text.startsWith(before.text) ? before : { text: "", open: 0, groups: [] };
  const { blocks, open } = split(text, more.open);
  const groups = more.groups.slice(0, -1);
  // The last block that was known is among those that were split again.
  const last = [...(more.groups.at(-1)?.slice(0, -1) ?? []), ...blocks];
  do groups.push(last.splice(0, GROUP));
  while (last.length);
  return { text, open, groups };
}

function split(text: string, from: number): { blocks: string[]; open: number } {
  const blocks: string[] = [];
  let fence: string | null = null;
  let current: string[] = [];
  let begin = from;
  let at = from;
  for (const line of text.slice(from).split("\n")) {
    const mark = /^\s{0,3}(```+|~~~+)/.exec(line)?.[1];
    if (mark && fence === null) fence = mark;
    else if (mark && fence !== null && mark.startsWith(fence)) fence = null;
    if (fence === null && line.trim() === "" && !continues(current)) {
      if (current.length) blocks.push(current.join("\n"));
      current = [];
    } else {
      if (!current.length) begin = at;
      current.push(line);
    }
    at += line.length + 1;
  }
  if (current.length) blocks.push(current.join("\n"));
  return { blocks, open: begin };
}

// A list goes on after a blank line, and numbering with it.
function continues(lines: string[]): boolean {
  const last = lines.findLast((line) => line.trim() !== "") ?? "";
  return /^\s*([-*+]|\d+[.)])\s/.test(last) || /^\s{2,}\S/.test(last);
}
