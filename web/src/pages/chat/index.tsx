import { useCallback, useEffect, useRef, useState } from "react";
import { useWords } from "../../i18n";
import { get, type Fault } from "../../lib/api";
import { go, usePlace } from "../../lib/route";
import { useKept } from "../../lib/use";
import { Button, FaultBox } from "../../parts/basic";
import { Conversation } from "./conversation";
import { announced, forget, held } from "./store";
import { Sessions } from "./sessions";
import type { ChatMessage, Session } from "./types";
import "./chat.css";

function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// As in chat.css: below it the list lies over the conversation.
const NARROW = 1000;

export default function Chat() {
  const words = useWords();
  const [first] = useState(newId);
  const asked = usePlace().rest[0];
  const id = asked ?? first;
  const [open, setOpen] = useKept("chat.sessions", innerWidth > NARROW);
  const menu = useRef<HTMLDivElement>(null);
  const [turn, setTurn] = useState(0);
  const changed = useCallback(() => setTurn((n) => n + 1), []);
  useEffect(() => {
    const stop = new AbortController();
    announced(stop.signal, changed);
    return () => stop.abort();
  }, [changed]);
  // Where there is no room beside the conversation, the list is over it only while one is chosen.
  const chosen = () => innerWidth <= NARROW && setOpen(false);
  return (
    <div className={`chat ${open ? "" : "alone"}`}>
      {open && <button type="button" className="scrim" aria-label={words.close} onClick={() => setOpen(false)} />}
      {open && (
        <Sessions
          onLeft={() => innerWidth <= NARROW && (setOpen(false), menu.current?.querySelector("button")?.focus())}
          current={id}
          turn={turn}
          onNew={() => (chosen(), go("chat", newId()))}
          onChosen={chosen}
          onGone={(gone) => (forget(gone), gone === id && go("chat", newId()))}
        />
      )}
      <section className="talk" aria-label={words.pages.chat}>
        <div className="talk-head row apart" ref={menu}>
          <Button
            kind="bare"
            icon="menu"
            aria-label={words.chat.sessions}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          />
          {!open && (
            <Button little icon="plus" onClick={() => go("chat", newId())}>
              {words.chat.fresh}
            </Button>
          )}
        </div>
        <Kept key={id} id={id} stored={asked !== undefined} onChange={changed} />
      </section>
    </div>
  );
}

/** What was said before is read first, so that the conversation begins with it. */
function Kept({ id, stored, onChange }: { id: string; stored: boolean; onChange: () => void }) {
  const words = useWords();
  const [messages, setMessages] = useState<ChatMessage[] | null>(() => held(id)?.messages ?? (stored ? null : []));
  const [answering, setAnswering] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  useEffect(() => {
    if (!stored || held(id)) return;
    const stop = new AbortController();
    get<Session>(`/sessions/${encodeURIComponent(id)}`, stop.signal).then(
      (session) => {
        setAnswering(session.answering ?? false);
        setMessages(session.messages ?? []);
      },
      (error: Fault) => {
        if (stop.signal.aborted) return;
        setMessages([]);
        if (error.status !== 404) setFault(error);
      },
    );
    return () => stop.abort();
  }, [id, stored]);
  if (messages === null) return <p className="empty">{words.loading}</p>;
  return (
    <>
      <FaultBox fault={fault} />
      <Conversation id={id} before={messages} answering={answering} onChange={onChange} />
    </>
  );
}
