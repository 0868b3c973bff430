import { useChat, type Chat } from "@ai-sdk/react";
import type { FileUIPart } from "ai";
import { useEffect, useRef, useState } from "react";
import { useWords } from "../../i18n";
import type { Words } from "../../i18n/en";
import { Fault, get, send } from "../../lib/api";
import { useReturns, useSnapshot } from "../../lib/live";
import { go, href } from "../../lib/route";
import { useAction, useKept } from "../../lib/use";
import { Button, FaultBox } from "../../parts/basic";
import { Icon } from "../../parts/icon";
import { phaseText } from "../live/engine";
import { Composer } from "./composer";
import { MessageView } from "./message";
import { announce, announced, busy as busyNow, halt, open } from "./store";
import { Told } from "./told";
import type { ChatMessage, Sampling, Session } from "./types";

// A long answer is drawn this often: faster is not seen, and costs frames.
const DRAW_MS = 50;

interface Props {
  id: string;
  before: ChatMessage[];
  /** By the service, for another window or for this one before it was loaded anew. */
  answering: boolean;
  onChange: () => void;
}

export function Conversation({ id, before, answering, onChange }: Props) {
  const words = useWords();
  const [model, chooseModel] = useKept("chat.model", "");
  const [sampling, chooseSampling] = useKept<Sampling>("chat.sampling", {});
  const [kept] = useState(() => open(id, before));
  const chat = useChat<ChatMessage>({ chat: kept, experimental_throttle: DRAW_MS });
  const busy = chat.status === "submitted" || chat.status === "streaming";
  const was = useRef(busy);
  useEffect(() => {
    if (was.current && !busy) {
      onChange();
      announce(id);
    }
    was.current = busy;
  }, [id, busy, onChange]);
  useWhatElseWasSaid(kept, answering, onChange);
  const body = { ...(model ? { model } : {}), settings: sampling };
  // What is drawn once asks with what is chosen later.
  const asking = useRef(body);
  asking.current = body;
  const say = (text: string, files: FileUIPart[]) => {
    go("chat", id);
    void chat.sendMessage({ text, files }, { body });
  };
  const branch = useAction(async (messageId: string) => {
    const made = await send<Session>("POST", `/sessions/${encodeURIComponent(id)}/branch`, {
      message_id: messageId,
    });
    onChange();
    go("chat", made.id);
  });
  return (
    <>
      <Scroll following={busy} length={chat.messages.length}>
        {!chat.messages.length && <Welcome />}
        {chat.messages.map((message, place) => (
          <MessageView
            key={message.id}
            message={message}
            growing={busy && place === chat.messages.length - 1}
            onRegenerate={() => void chat.regenerate({ messageId: message.id, body: asking.current })}
            onBranch={() => void branch.run(message.id)}
            idle={!busy}
            faultBelow={Boolean(chat.error) && place === chat.messages.length - 1}
          />
        ))}
        {busy && waits(chat.messages.at(-1)) && <Waiting model={model} messages={chat.messages} />}
        <FaultBox fault={branch.fault} />
        {!busy && !chat.error && chat.messages.at(-1)?.role === "user" && (
          <div className="row small quiet">
            {words.chat.unanswered}
            <Button little icon="again" onClick={() => void chat.regenerate({ body })}>
              {words.retry}
            </Button>
          </div>
        )}
        {chat.error && (
          <Told error={said(chat.error, words)} code={chat.error instanceof Fault ? chat.error.code : null}>
            <div className="row">
              <Button little icon="again" onClick={() => void chat.regenerate({ body })}>
                {words.retry}
              </Button>
            </div>
          </Told>
        )}
      </Scroll>
      <Composer
        key={id}
        id={id}
        busy={busy}
        onSend={say}
        onStop={() => void halt(kept)}
        model={model}
        onModel={chooseModel}
        sampling={sampling}
        onSampling={chooseSampling}
      />
    </>
  );
}

/** What is said in another window is shown here too: as it is written, where this one rests, and
 * otherwise when it is looked at again or the service is back. */
function useWhatElseWasSaid(chat: Chat<ChatMessage>, answering: boolean, onChange: () => void): void {
  const changed = useRef(onChange);
  changed.current = onChange;
  const returns = useReturns();
  const looks = useRef<() => unknown>(undefined);
  useEffect(() => {
    const stop = new AbortController();
    const { id } = chat;
    const rests = () => !busyNow(chat) && !stop.signal.aborted;
    const follow = async () => {
      await chat.resumeStream();
      // It may have been over before it was read, and others may have been answered meanwhile.
      await look(false);
    };
    const look = async (along = true): Promise<void> => {
      if (!rests()) return;
      const held = chat.messages;
      const { messages, answering } = await get<Session>(`/sessions/${encodeURIComponent(id)}`, stop.signal);
      if (!rests()) return;
      // Something else was said meanwhile, and what came is older than that.
      if (chat.messages !== held) return look(along);
      const there = messages ?? [];
      const known = new Set(there.map((one) => one.id));
      if (held.some((one) => one.role === "user" && !known.has(one.id))) return;
      // What was stopped here is kept a moment later.
      if (there.length < held.length && !answering) return;
      if (JSON.stringify(there) !== JSON.stringify(held)) {
        chat.messages = there;
        chat.clearError();
        changed.current();
      }
      if (answering && along) await follow();
    };
    // What can't be had now is looked for the next time.
    const looked = () => void look().catch(() => undefined);
    const seen = () => document.hidden || !chat.messages.length || looked();
    looks.current = seen;
    document.addEventListener("visibilitychange", seen, { signal: stop.signal });
    addEventListener("focus", seen, { signal: stop.signal });
    announced(stop.signal, (changed) => changed === id && looked());
    if (answering && rests()) void follow().catch(() => undefined);
    return () => stop.abort();
  }, [chat, answering]);
  const known = useRef(returns);
  useEffect(() => {
    if (known.current !== returns) looks.current?.();
    known.current = returns;
  }, [returns]);
}

/** A browser has words of its own for a connection that ends; each another. */
function said(error: Error, words: Words): string {
  if (error.message === "unreachable") return words.unreachable;
  return error instanceof TypeError ? words.chat.brokeOff : error.message;
}

/** Nothing is being written: before the first word, and while a tool or the next step is awaited. */
function waits(last: ChatMessage | undefined): boolean {
  if (last?.role !== "assistant") return true;
  const part = last.parts.at(-1);
  return !(part && (part.type === "text" || part.type === "reasoning") && part.state === "streaming");
}

/** What the engine does meanwhile, as far as it is known which one it is. */
function Waiting({ model, messages }: { model: string; messages: ChatMessage[] }) {
  const words = useWords();
  const snapshot = useSnapshot();
  const pictures = messages.some((one) => one.parts.some((part) => part.type === "file"));
  const wanted = model || (pictures ? "vision" : "text");
  const name = snapshot?.capabilities[wanted]?.model_id ?? wanted;
  const engine = snapshot?.status.engines[name];
  const desk = snapshot?.status.desk?.state;
  const idle = !engine || (engine.state === "ready" && engine.progress?.phase === "idle");
  const starts = desk && desk !== "ready" ? `${words.live.desk}: ${words.state[desk] ?? desk}` : "";
  const told = idle ? "" : `${name}: ${phaseText(engine, words) || words.state[engine.state] || engine.state}`;
  return (
    <p className="quiet thinking" role="status">
      {starts || told || words.chat.waiting}
    </p>
  );
}

function Welcome() {
  const words = useWords();
  const snapshot = useSnapshot();
  const nobody = snapshot && !snapshot.capabilities.text?.model_id;
  return (
    <div className="empty">
      <h1>{words.chat.hello}</h1>
      <p>{words.chat.helloWhy}</p>
      {nobody && (
        <p>
          {words.chat.nobody} <a href={href("models")}>{words.chat.nobodyDo}</a>
        </p>
      )}
    </div>
  );
}

// So near to the end counts as at it.
const NEAR_PX = 60;

/** Follows what is written as long as the reader is at its end, and offers the way back there. */
function Scroll(props: { following: boolean; length: number; children: React.ReactNode }) {
  const words = useWords();
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const top = useRef(0);
  const [away, setAway] = useState(false);
  const toEnd = () => box.current?.scrollTo({ top: box.current.scrollHeight });
  useEffect(() => {
    atEnd.current = true;
    toEnd();
  }, [props.length]);
  useEffect(() => {
    const inner = box.current?.firstElementChild;
    if (!inner) return;
    const watch = new ResizeObserver(() => atEnd.current && toEnd());
    watch.observe(inner);
    return () => watch.disconnect();
  }, []);
  const moved = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    if (scrollHeight - scrollTop - clientHeight < NEAR_PX) atEnd.current = true;
    // What grows below leaves the reader at the end; only going up does not.
    else if (scrollTop < top.current) atEnd.current = false;
    top.current = scrollTop;
    setAway(!atEnd.current);
  };
  return (
    <div className="messages" ref={box} onScroll={moved} tabIndex={0} role="log" aria-live="off" aria-label={words.pages.chat}>
      <div className="messages-inner">{props.children}</div>
      {away && (
        <button type="button" className="to-end" aria-label={words.chat.toEnd} title={words.chat.toEnd} onClick={toEnd}>
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}
