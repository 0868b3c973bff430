// What has the keyboard may go away: a row that was deleted, a field that was closed. The keyboard is
// then put where it was, or as near to it as there is something, instead of at the page's beginning.

const TAKES_KEYS = "a[href], button:not(:disabled), input:not(:disabled, [hidden]), select:not(:disabled), textarea:not(:disabled), summary, [tabindex='0']";

interface Place {
  within: Element;
  index: number;
}

function places(element: Element, root: Element): Place[] {
  const made: Place[] = [];
  for (let within = element.parentElement; within && root.contains(within); within = within.parentElement)
    made.push({ within, index: [...within.querySelectorAll(TAKES_KEYS)].indexOf(element) });
  return made;
}

export function keepFocus(root: HTMLElement): () => void {
  let last: Element | null = null;
  let above: Place[] = [];
  const stop = new AbortController();
  root.addEventListener(
    "focusin",
    (event) => {
      last = event.target as Element;
      above = places(last, root);
    },
    { signal: stop.signal },
  );
  root.addEventListener(
    "focusout",
    // Who presses beside everything wants nothing to have it. What is being removed is gone by then, and
    // what can't be pressed just now will be back, or gone.
    () => queueMicrotask(() => {
      if (document.activeElement === document.body && last?.isConnected && !last.matches(":disabled")) last = null;
    }),
    { signal: stop.signal },
  );
  const watch = new MutationObserver(() => {
    if (!last || document.activeElement !== document.body) return;
    if (last.isConnected) {
      if (!last.matches(":disabled")) (last as HTMLElement).focus();
      return;
    }
    last = null;
    for (const { within, index } of above) {
      if (!within.isConnected) continue;
      const there = within.querySelectorAll<HTMLElement>(TAKES_KEYS);
      const next = there[Math.min(Math.max(0, index), there.length - 1)];
      next?.focus();
      if (next && document.activeElement === next) return;
    }
  });
  watch.observe(root, { childList: true, subtree: true, attributeFilter: ["disabled"] });
  return () => (stop.abort(), watch.disconnect());
}
