import type { ButtonHTMLAttributes, ReactNode } from "react";
import { useEffect, useRef } from "react";
import type { Fault as FaultError } from "../lib/api";
import { useWords } from "../i18n";
import { Icon, type IconName } from "./icon";

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  icon?: IconName;
  kind?: "first" | "danger" | "bare" | "";
  little?: boolean;
};

/** With an icon alone, `aria-label` says what it does; it is shown when pointed at, too. */
export function Button({ icon, kind = "", little, children, ...rest }: ButtonProps) {
  const name = `button ${kind} ${little ? "little" : ""}`;
  return (
    <button type="button" className={name} title={rest["aria-label"]} {...rest}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

export function Badge({ tone = "", children }: { tone?: string; children: ReactNode }) {
  return <span className={`badge ${tone}`}>{children}</span>;
}

export function Bar({ part, label, other = 0 }: { part: number; label: string; other?: number }) {
  const shown = Math.round(Math.min(1, Math.max(0, part)) * 1000) / 10;
  return (
    <div
      className="bar"
      role="progressbar"
      aria-label={label}
      aria-valuenow={Math.round(shown)}
      aria-valuemin={0}
      aria-valuemax={100}
    >
      <span style={{ width: `${shown}%` }} />
      {other > 0 && <span className="other" style={{ width: `${Math.min(1, other) * 100}%` }} />}
    </div>
  );
}

export function FaultBox({ fault }: { fault: FaultError | null | undefined }) {
  const words = useWords();
  if (!fault) return null;
  const text = fault.code === "unreachable" ? words.unreachable : fault.message;
  return (
    <p className="fault" role="alert">
      {text}
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

export function Dialog(props: { title: string; onClose: () => void; children: ReactNode; wide?: boolean }) {
  const box = useRef<HTMLDialogElement>(null);
  const words = useWords();
  useEffect(() => {
    box.current?.showModal();
  }, []);
  return (
    <dialog ref={box} className={props.wide ? "wide" : ""} onClose={props.onClose} aria-label={props.title}>
      <div className="stack">
        <div className="row apart">
          <h2 dir="auto" className="dialog-title">{props.title}</h2>
          <Button kind="bare" icon="close" aria-label={words.close} onClick={() => box.current?.close()} />
        </div>
        {props.children}
      </div>
    </dialog>
  );
}

export function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="facts small">
      {facts.map(([name, value]) => (
        <FactRow key={name} name={name} value={value} />
      ))}
    </dl>
  );
}

function FactRow({ name, value }: { name: string; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
