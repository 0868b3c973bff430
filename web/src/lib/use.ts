import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Fault, get, token } from "./api";
import { useReturns } from "./live";

export interface Loaded<T> {
  value: T | null;
  fault: Fault | null;
  busy: boolean;
  again: () => void;
}

/** What a path answers; asked again by `again`, when the service has come back and when it was given
 * a token; dropped when the page is left. */
export function useGet<T>(path: string | null): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const [turn, setTurn] = useState(0);
  const [busy, setBusy] = useState(path !== null);
  const returns = useReturns();
  const given = useSyncExternalStore(token.subscribe, token.get);
  useEffect(() => {
    if (path === null) return;
    setBusy(true);
    const stop = new AbortController();
    get<T>(path, stop.signal).then(
      (made) => {
        setValue(made);
        setFault(null);
      },
      (error: unknown) => {
        if (!stop.signal.aborted) setFault(error as Fault);
      },
    ).finally(() => {
      if (!stop.signal.aborted) setBusy(false);
    });
    return () => stop.abort();
  }, [path, turn, returns, given]);
  return { value, fault, busy, again: useCallback(() => setTurn((n) => n + 1), []) };
}

/** An action with its state: one at a time, its fault kept until the next. */
export function useAction<A extends unknown[]>(
  act: (...given: A) => Promise<unknown>,
): { run: (...given: A) => Promise<void>; busy: boolean; fault: Fault | null } {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const latest = useRef(act);
  latest.current = act;
  const run = useCallback(async (...given: A) => {
    setBusy(true);
    setFault(null);
    try {
      await latest.current(...given);
    } catch (error) {
      setFault(error as Fault);
    } finally {
      setBusy(false);
    }
  }, []);
  return { run, busy, fault };
}

/** A choice that outlives the page. */
export function useKept<T>(key: string, first: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => {
    const kept = localStorage.getItem(`mlxd.${key}`);
    try {
      return kept === null ? first : (JSON.parse(kept) as T);
    } catch {
      return first;
    }
  });
  const keep = useCallback(
    (next: T) => {
      localStorage.setItem(`mlxd.${key}`, JSON.stringify(next));
      setValue(next);
    },
    [key],
  );
  return [value, keep];
}
