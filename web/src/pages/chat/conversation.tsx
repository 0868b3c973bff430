import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, type FileUIPart } from "ai";
import { useEffect, useMemo, useRef } from "react";
import { useWords } from "../../i18n";
import { request, send } from "../../lib/api";
import { go } from "../../lib/route";
import { useKept } from "../../lib/use";
import { Button } from "../../parts/basic";
import { Composer } from "./composer";
import { MessageView } from "./message";
import type { ChatMessage, Sampling, Session } from "./types";

// A long answer is drawn this often: faster is not seen, and costs frames.
const DRAW_MS = 50;

interface Props {
  id: string;
  before: ChatMessage[];
  onChange: () => void;
}

export function Conversation({ id, before, onChange }: Props) {
  const words = useWords();
  const [model, chooseModel] = useKept("chat.model", "");
  const [sampling, chooseSampling] = useKept<Sampling>("chat.sampling", {});
  const transport = useMemo(
    () =>
      new DefaultChatTransport<ChatMessage>({
        api: "/chat/agent-stream",
        fetch: (path, init) => request(String(path), init ?? {}),
      }),
    [],
  );
  const chat = useChat<ChatMessage>({
    id,
    messages: before,
    transport,
    experimental_throttle: DRAW_MS,
    onFinish: onChange,
  });
  const busy = chat.status === "submitted" || chat.status === "streaming";
  const body = { ...(model ? { model } : {}), settings: sampling };
  const say = (text: string, files: FileUIPart[]) => {
    go("chat", id);
    void chat.sendMessage({ text, files }, { body });
  };
  const branch = async (messageId: string) => {
    const made = await send<Session>("POST", `/sessions/${encodeURIComponent(id)}/branch`, {
      message_id: messageId,
    });
    onChange();
    go("chat", made.id);
  };
  return (
    <>
      <Scroll following={busy} length={chat.messages.length}>
        {!chat.messages.length && <Welcome />}
        {chat.messages.map((message, place) => (
          <MessageView
            key={message.id}
            message={message}
            growing={busy && place === chat.messages.length - 1}
            onRegenerate={() => void chat.regenerate({ messageId: message.id, body })}
            onBranch={() => void branch(message.id)}
            idle={!busy}
          />
        ))}
        {chat.status === "submitted" && (
          <p className="quiet thinking" role="status">
            {words.chat.waiting}
          </p>
        )}
        {chat.error && (
          <div className="fault" role="alert">
            <p>{chat.error.message === "unreachable" ? words.unreachable : chat.error.message}</p>
            <Button little icon="again" onClick={() => void chat.regenerate({ body })}>
              {words.retry}
            </Button>
          </div>
        )}
      </Scroll>
      <Composer
        busy={busy}
        onSend={say}
        onStop={() => void chat.stop()}
        model={model}
        onModel={chooseModel}
        sampling={sampling}
        onSampling={chooseSampling}
      />
    </>
  );
}

function Welcome() {
  const words = useWords();
  return (
    <div className="empty">
      <h1>{words.chat.hello}</h1>
      <p>{words.chat.helloWhy}</p>
    </div>
  );
}

/** Follows what is written as long as the reader is at its end. */
function Scroll(props: { following: boolean; length: number; children: React.ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    atEnd.current = true;
    box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [props.length]);
  useEffect(() => {
    const inner = box.current?.firstElementChild;
    if (!props.following || !inner) return;
    const watch = new ResizeObserver(() => {
      if (atEnd.current) box.current?.scrollTo({ top: box.current.scrollHeight });
    });
    watch.observe(inner);
    return () => watch.disconnect();
  }, [props.following]);
  const moved = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    atEnd.current = scrollHeight - scrollTop - clientHeight < 60;
  };
  return (
    <div className="messages" ref={box} onScroll={moved} tabIndex={0} role="log" aria-live="off">
      <div className="messages-inner">{props.children}</div>
    </div>
  );
}
