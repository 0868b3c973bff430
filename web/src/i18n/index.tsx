import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { useKept } from "../lib/use";
import { en, type Words } from "./en";

/** Chinese, with all that the service may say, comes only to who reads it. */
const LANGUAGES = {
  en: () => Promise.resolve(en),
  zh: () => import("./zh").then((made) => made.zh),
};
export type Language = keyof typeof LANGUAGES;

const Context = createContext<{ words: Words; language: Language; choose: (next: Language) => void }>({
  words: en,
  language: "en",
  choose: () => undefined,
});

export function Languages({ children }: { children: ReactNode }) {
  const first: Language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  const [wanted, choose] = useKept<Language>("language", first);
  const [shown, show] = useState<{ words: Words; language: Language } | null>(wanted === "en" ? { words: en, language: "en" } : null);
  useEffect(() => {
    let dropped = false;
    LANGUAGES[wanted]().then(
      (words) => dropped || show({ words, language: wanted }),
      // The service is gone: better in the language that is here than not at all.
      () => dropped || show((before) => before ?? { words: en, language: "en" }),
    );
    return () => void (dropped = true);
  }, [wanted]);
  useEffect(() => {
    if (shown) document.documentElement.lang = shown.language === "zh" ? "zh-CN" : "en";
  }, [shown]);
  return shown && <Context value={{ ...shown, choose }}>{children}</Context>;
}

export const useWords = (): Words => useContext(Context).words;
export const useLanguage = () => useContext(Context);
