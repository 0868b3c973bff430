/** What the service says in English, in Chinese: sentences with holes, found again by their shape. What
 * fills a hole is a sentence too, or stays as it is, as do the words of a system or of a server. */

type Table = Record<string, string>;
type Say = (text: string) => string | undefined;

// No sentence of ours is longer; a trace of a fault of others may be.
const LONGEST = 1500;

export function reader(tables: Table[], more: Say = () => undefined): (text: string) => string {
  let shapes: [RegExp, string][] | undefined;
  const whole: Say = (text) => {
    shapes ??= compiled(Object.assign({}, ...tables) as Table);
    for (const [shape, chinese] of shapes) {
      const found = shape.exec(text);
      if (found) return filled(chinese, found.slice(1).map(told));
    }
    return more(text);
  };
  const told = (text: string): string => {
    if (text.length > LONGEST || !/[A-Za-z]{2}/.test(text)) return text;
    return whole(text) ?? parted(text, told) ?? text;
  };
  return told;
}

/** Those with the most words of their own first: what fits two means the closer one. */
function compiled(table: Table): [RegExp, string][] {
  const own = (text: string) => text.replaceAll("{}", "").length;
  return Object.entries(table)
    .sort(([a], [b]) => own(b) - own(a))
    .map(([english, chinese]) => {
      const parts = english.split("{}").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      return [new RegExp(`^${parts.join("(.*?)")}$`, "s"), chinese];
    });
}

/** `{}` in their order, or by number. */
function filled(chinese: string, holes: string[]): string {
  let next = 0;
  return chinese.replace(/\{(\d?)\}/g, (_, n: string) => holes[n ? Number(n) - 1 : next++] ?? "");
}

/** Of several sentences in one, each by itself. Undefined where none of them is known. */
function parted(text: string, told: (text: string) => string): string | undefined {
  for (const [between, chinese] of [["; ", "；"], ["\n", "\n"], [". ", "。"], [", ", "，"]] as const) {
    const parts = text.split(between);
    const made = parts.length > 1 ? parts.map(told) : parts;
    if (made.some((one, n) => one !== parts[n])) return made.join(chinese).replaceAll("。。", "。");
  }
  const named = /^(\S+): (.+?)\.?$/s.exec(text) ?? /^(.+) (\()(.+)\)$/s.exec(text);
  if (!named) return undefined;
  const bracket = named.length > 3;
  const [before, after] = [bracket ? told(named[1]!) : named[1]!, told(named.at(-1)!)];
  if (before === named[1] && after === named.at(-1)) return undefined;
  return bracket ? `${before}（${after}）` : `${before}：${after}`;
}
