// Where the reader is, in the address's fragment: works from any path and without a server's help.

import { useSyncExternalStore } from "react";

export interface Place {
  page: string;
  rest: string[];
}

function read(): string {
  return location.hash.replace(/^#\/?/, "");
}

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export function usePlace(): Place {
  const [page = "", ...rest] = useSyncExternalStore(subscribe, read).split("/");
  return { page, rest: rest.map(decodeURIComponent) };
}

export function go(...parts: string[]): void {
  location.hash = `/${parts.map(encodeURIComponent).join("/")}`;
}

export function href(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}
