import { useEffect, useRef, useState } from "react";
import { useWords } from "../../i18n";
import { send } from "../../lib/api";
import { href } from "../../lib/route";
import { useAction, useGet } from "../../lib/use";
import { moment } from "../../lib/format";
import { Button, FaultBox, RemoveButton } from "../../parts/basic";
import { Icon } from "../../parts/icon";
import type { Session } from "./types";

interface Props {
  current: string;
  turn: number;
  /** By Escape, where it lies over the conversation. */
  onLeft: () => void;
  onNew: () => void;
  onChosen: () => void;
  onGone: (id: string) => void;
}

export function Sessions({ current, turn, onLeft, onNew, onChosen, onGone }: Props) {
  const words = useWords();
  const [query, setQuery] = useState("");
  const path = query ? `/sessions?q=${encodeURIComponent(query)}` : "/sessions";
  const { value, fault, again } = useGet<{ sessions: Session[] }>(path);
  const [editing, setEditing] = useState<string | null>(null);
  useEffect(again, [again, turn]);
  const rename = useAction(async (id: string, title: string) => {
    await send("PATCH", `/sessions/${encodeURIComponent(id)}`, { title });
    setEditing(null);
    again();
  });
  const remove = useAction(async (id: string) => {
    await send("DELETE", `/sessions/${encodeURIComponent(id)}`);
    onGone(id);
    again();
  });
  return (
    <aside
      className="sessions"
      aria-label={words.chat.sessions}
      onKeyDown={(event) => event.key === "Escape" && editing === null && onLeft()}
    >
      <Button icon="plus" onClick={onNew}>
        {words.chat.fresh}
      </Button>
      <input
        className="input"
        type="search"
        placeholder={words.chat.searchSessions}
        aria-label={words.chat.searchSessions}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
      />
      <FaultBox fault={fault ?? rename.fault ?? remove.fault} />
      <ul>
        {(value?.sessions ?? []).map((one) => (
          <li key={one.id} className={one.id === current ? "current" : ""}>
            {editing === one.id ? (
              <Rename title={one.title} onDone={(title) => void rename.run(one.id, title)} onLeft={() => setEditing(null)} />
            ) : (
              <>
                <a href={href("chat", one.id)} title={`${one.title}\n${moment(one.updated)}`} onClick={onChosen} aria-current={one.id === current ? "true" : undefined}>
                  {one.answering && <span className="dot" role="img" aria-label={words.chat.answering} title={words.chat.answering} />}
                  {one.branched_from && <Icon name="branch" />}
                  {one.title || words.chat.untitled}
                </a>
                <Button kind="bare" little icon="edit" aria-label={`${words.rename}: ${one.title}`} onClick={() => setEditing(one.id)} />
                <RemoveButton little what={one.title || words.chat.untitled} onRemove={() => void remove.run(one.id)} />
              </>
            )}
          </li>
        ))}
      </ul>
      {!value && !fault && <p className="small quiet">{words.loading}</p>}
      {query && value && !value.sessions.length && <p className="small quiet">{words.chat.noneFound}</p>}
    </aside>
  );
}

function Rename({ title, onDone, onLeft }: { title: string; onDone: (title: string) => void; onLeft: () => void }) {
  const words = useWords();
  const [value, setValue] = useState(title);
  const over = useRef(false);
  // Once: the field goes away then, and what goes away is left too.
  const end = (done: () => void) => {
    if (!over.current) done();
    over.current = true;
  };
  const keep = () => end(() => (value.trim() && value !== title ? onDone(value) : onLeft()));
  return (
    <form onSubmit={(event) => (event.preventDefault(), keep())}>
      <input
        className="input"
        autoFocus
        aria-label={words.rename}
        value={value}
        onChange={(event) => setValue(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && end(onLeft)}
        onBlur={keep}
      />
    </form>
  );
}
