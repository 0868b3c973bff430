import { createContext, useContext, useEffect, type ReactNode } from "react";
import { useKept } from "../lib/use";
import { en, type Words } from "./en";
import { zh } from "./zh";

const LANGUAGES = { en, zh };
export type Language = keyof typeof LANGUAGES;

const Context = createContext<{ words: Words; language: Language; choose: (next: Language) => void }>({
  words: en,
  language: "en",
  choose: () => undefined,
});

export function Languages({ children }: { children: ReactNode }) {
  const first: Language = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  const [language, choose] = useKept<Language>("language", first);
  useEffect(() => {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  }, [language]);
  return <Context value={{ words: LANGUAGES[language], language, choose }}>{children}</Context>;
}

export const useWords = (): Words => useContext(Context).words;
export const useLanguage = () => useContext(Context);
