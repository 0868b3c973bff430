import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useLanguage, useWords } from "./i18n";
import { get, token } from "./lib/api";
import { keepFocus } from "./lib/focus";
import { useLive, useReturns } from "./lib/live";
import { href, usePlace } from "./lib/route";
import { useKept } from "./lib/use";
import { Button, Dialog } from "./parts/basic";
import { Boundary } from "./parts/boundary";
import { Icon, type IconName } from "./parts/icon";
import { Live } from "./pages/live";
import { Models } from "./pages/models";

const LATER = {
  chat: () => import("./pages/chat"),
  documents: () => import("./pages/documents"),
  proof: () => import("./pages/proof"),
  doctor: () => import("./pages/doctor"),
};
const Chat = lazy(LATER.chat);
const Documents = lazy(LATER.documents);
const Proof = lazy(LATER.proof);
const Doctor = lazy(LATER.doctor);
// The other pages' scripts come while nobody waits for them: a service that is gone then has none.
const FETCH_AFTER_MS = 3000;

const PAGES = { chat: Chat, models: Models, live: Live, documents: Documents, proof: Proof, doctor: Doctor };
type Page = keyof typeof PAGES;
const THEMES = ["auto", "light", "dark"] as const;

export function App() {
  const words = useWords();
  const place = usePlace();
  const page: Page = place.page in PAGES ? (place.page as Page) : "chat";
  const Shown = PAGES[page];
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = `${words.pages[page]} · mlxd`;
  }, [words, page]);
  const returns = useReturns();
  useEffect(() => keepFocus(document.getElementById("root")!), []);
  useEffect(() => {
    // A file that is let go beside its place must not take the page away.
    const stop = new AbortController();
    for (const name of ["dragover", "drop"])
      addEventListener(name, (event) => event.preventDefault(), { signal: stop.signal });
    return () => stop.abort();
  }, []);
  useEffect(() => {
    const later = setTimeout(() => Object.values(LATER).forEach((load) => void load().catch(() => undefined)), FETCH_AFTER_MS);
    return () => clearTimeout(later);
  }, []);
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>
        {words.skip}
      </a>
      <Side page={page} />
      <main className="main" id="main" ref={main} tabIndex={-1}>
        <Offline />
        <Boundary place={page} returns={returns} told={<Broken />}>
          <Suspense fallback={<p className="page quiet">{words.loading}</p>}>
            <Shown />
          </Suspense>
        </Boundary>
      </main>
      <TokenGate />
    </div>
  );
}

function Broken() {
  const words = useWords();
  return (
    <div className="page">
      <p className="fault" role="alert">
        {words.broken}
      </p>
      <div className="row">
        <Button icon="again" onClick={() => location.reload()}>
          {words.reload}
        </Button>
      </div>
    </div>
  );
}

function Side({ page }: { page: Page }) {
  const words = useWords();
  return (
    <div className="side">
      <a className="brand" href={href("chat")}>
        <img src="./icon.svg" alt="" />
        mlxd
      </a>
      <nav aria-label="mlxd">
        {(Object.keys(PAGES) as Page[]).map((name) => (
          <a key={name} href={href(name)} aria-current={name === page ? "page" : undefined}>
            <Icon name={name as IconName} />
            {words.pages[name]}
          </a>
        ))}
      </nav>
      <div className="foot">
        <div className="row">
          <ThemeButton />
          <LanguageButton />
        </div>
      </div>
    </div>
  );
}

function ThemeButton() {
  const words = useWords();
  const [theme, keep] = useKept<(typeof THEMES)[number]>("theme", "auto");
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
  return <Button kind="bare" icon="light" aria-label={words.theme[theme]} onClick={() => keep(next)} />;
}

function LanguageButton() {
  const { words, language, choose } = useLanguage();
  const other = language === "zh" ? "en" : "zh";
  return (
    <Button kind="bare" lang={other} onClick={() => choose(other)}>
      {words.otherLanguage}
    </Button>
  );
}

function Offline() {
  const words = useWords();
  const { lost } = useLive();
  const wanted = useSyncExternalStore(token.subscribe, token.wanted);
  if (!lost || wanted) return null;
  return (
    <p className="offline" role="status">
      {words.reconnecting}
    </p>
  );
}

function TokenGate() {
  const words = useWords();
  const wanted = useSyncExternalStore(token.subscribe, token.wanted);
  const [value, setValue] = useState("");
  if (!wanted) return null;
  const keep = (event: React.FormEvent) => {
    event.preventDefault();
    token.set(value);
    void get("/status").catch(() => undefined); // a wrong one brings the question back
  };
  return (
    <Dialog needed title={words.token.title} onClose={() => undefined}>
      <p>{words.token.why}</p>
      <form className="stack" onSubmit={keep}>
        <label className="field">
          <span>{words.token.label}</span>
          <input
            className="input"
            type="password"
            autoComplete="current-password"
            value={value}
            onChange={(e) => setValue(e.target.value)}
            required
          />
        </label>
        {token.get() && <p className="bad">{words.token.wrong}</p>}
        <button className="button first">{words.token.go}</button>
      </form>
    </Dialog>
  );
}
