import { useLayoutEffect, useRef, useState } from "react";

type Typeset = (tex: string, display: boolean, box: HTMLElement) => void;

// One within a line that may be wider than a phone can be moved in its place.
const LONG_CHARACTERS = 50;

// Only who reads a formula is sent what typesets it.
let typeset: Typeset | undefined;
let coming: Promise<Typeset> | undefined;

function load(): Promise<Typeset> {
  coming ??= import("./typeset").then((made) => (typeset = made.default));
  // Without it the source is shown, and the next one tries again.
  coming.catch(() => (coming = undefined));
  return coming;
}

/** Typeset; one that can't be is shown as it was written. */
export function Formula({ tex, display, source }: { tex: string; display: boolean; source: string }) {
  const box = useRef<HTMLSpanElement>(null);
  const [there, setThere] = useState(typeset !== undefined);
  const [wrong, setWrong] = useState(false);
  useLayoutEffect(() => {
    if (!typeset) {
      load().then(
        () => setThere(true),
        () => setWrong(true),
      );
      return;
    }
    try {
      typeset(tex, display, box.current!);
      setWrong(false);
    } catch {
      box.current!.textContent = "";
      setWrong(true);
    }
  }, [tex, display, there]);
  return (
    <>
      {(wrong || !there) && <code>{source}</code>}
      <span ref={box} className={`formula ${display ? "display" : tex.length > LONG_CHARACTERS ? "wide" : ""}`} tabIndex={display && there ? 0 : undefined} />
    </>
  );
}
