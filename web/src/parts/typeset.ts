// TeX as MathML, which browsers draw by themselves. What a model writes is not trusted: it can neither
// link nor load anything, nor define macros that grow without an end.

import temml from "temml";
import "temml/dist/Temml-Local.css";

const DEFINES = /\\(?:[gex]?def|let|futurelet|global|long|(?:re)?newcommand|providecommand|newenvironment|DeclareMathOperator|label|require)(?![a-z])/i;
// Sizes and distances.
const LARGEST_EM = 10;
const LARGEST_PT = 100;

export default function typeset(tex: string, display: boolean, box: HTMLElement): void {
  if (DEFINES.test(tex)) throw new Error("it defines macros");
  temml.render(tex, box, {
    displayMode: display,
    throwOnError: true,
    strict: false,
    trust: false,
    maxSize: [LARGEST_EM, LARGEST_PT],
    maxExpand: 1000,
  });
}
