import { useEffect, useRef, useState } from "react";
import { useWords } from "../i18n";
import { named, type Fault } from "../lib/api";
import { messages } from "../lib/sse";
import { Dialog, FaultBox } from "./basic";

// Older lines leave the page; the file has them.
const KEPT_LINES = 2000;
const RETRY_MS = 2000;

/** The end of a log, as it grows; follows it while the reader is at its end. */
export function LogDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const words = useWords();
  const [lines, setLines] = useState<string[]>([]);
  const [fault, setFault] = useState<Fault | null>(null);
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    const stop = new AbortController();
    void (async () => {
      while (!stop.signal.aborted) {
        try {
          let first = true;
          for await (const message of messages(`/logs/${named(name)}?follow=1&lines=300`, stop.signal)) {
            if (message.data === "[DONE]") break;
            const { lines: told } = JSON.parse(message.data) as { lines: string[] };
            const begins = first;
            first = false;
            setFault(null);
            setLines((before) => [...(begins ? [] : before), ...told].slice(-KEPT_LINES));
          }
        } catch (error) {
          if (!stop.signal.aborted) setFault(error as Fault);
        }
        await new Promise((go) => setTimeout(go, RETRY_MS));
      }
    })();
    return () => stop.abort();
  }, [name]);
  useEffect(() => {
    if (atEnd.current) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lines]);
  const moved = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
  };
  return (
    <Dialog wide title={`${words.models.logs}: ${name}`} onClose={onClose}>
      <FaultBox fault={fault} />
      <pre className="log" ref={box} onScroll={moved} tabIndex={0} role="log" aria-label={name}>
        {lines.join("\n") || "…"}
      </pre>
    </Dialog>
  );
}
