import type { ButtonHTMLAttributes, ReactNode } from "react";
import { useEffect, useRef, useState } from "react";
import type { Fault as FaultError } from "../lib/api";
import { copy } from "../lib/copy";
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

// Long enough to be seen.
const COPIED_MS = 2000;

export function CopyButton({ text, children }: { text: string; children?: ReactNode }) {
  const words = useWords();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const over = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(over);
  }, [copied]);
  const name = copied ? words.copied : words.copy;
  return (
    <Button kind="bare" little icon={copied ? "done" : "copy"} aria-label={name} onClick={() => void copy(text).then(() => setCopied(true))}>
      {children && name}
    </Button>
  );
}

/** What can't be taken back is asked for twice: the second press does it, anything else lets it be. */
export function RemoveButton(props: { what: string; little?: boolean; disabled?: boolean; onRemove: () => void }) {
  const words = useWords();
  const [sure, setSure] = useState(false);
  const press = () => {
    if (sure) props.onRemove();
    setSure(!sure);
  };
  return (
    <Button
      kind={sure ? "danger" : "bare"}
      little={props.little ?? false}
      icon="trash"
      disabled={props.disabled}
      aria-label={`${sure ? words.removeSure : words.remove}: ${props.what}`}
      onClick={press}
      onBlur={() => setSure(false)}
      onKeyDown={(event) => event.key === "Escape" && setSure(false)}
    >
      {sure && words.removeSure}
    </Button>
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
  const text = fault.code === "unreachable" ? words.unreachable : words.fault(fault.message, fault.code);
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

/** `needed`: it stays until it is answered. */
export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ReactNode;
  wide?: boolean;
  needed?: boolean;
}) {
  const box = useRef<HTMLDialogElement>(null);
  const words = useWords();
  useEffect(() => {
    box.current?.showModal();
  }, []);
  return (
    <dialog
      ref={box}
      className={props.wide ? "wide" : ""}
      onClose={props.onClose}
      onCancel={(event) => props.needed && event.preventDefault()}
      aria-label={props.title}
    >
      <div className="stack">
        <div className="row apart">
          <h2 dir="auto" className="dialog-title">{props.title}</h2>
          {!props.needed && (
            <Button kind="bare" icon="close" aria-label={words.close} onClick={() => box.current?.close()} />
          )}
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
