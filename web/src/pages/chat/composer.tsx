import type { FileUIPart } from "ai";
import { useEffect, useId, useRef, useState, type RefObject } from "react";
import { useWords } from "../../i18n";
import { request } from "../../lib/api";
import { useSnapshot } from "../../lib/live";
import { href } from "../../lib/route";
import { useAction, useGet } from "../../lib/use";
import { Button, FaultBox } from "../../parts/basic";
import { draft } from "./store";
import type { Sampling } from "./types";

interface Props {
  id: string;
  busy: boolean;
  onSend: (text: string, files: FileUIPart[]) => void;
  onStop: () => void;
  model: string;
  onModel: (model: string) => void;
  sampling: Sampling;
  onSampling: (sampling: Sampling) => void;
}

export function Composer(props: Props) {
  const words = useWords();
  const [text, setText] = useState(() => draft.get(props.id).text);
  const [files, setFiles] = useState(() => draft.get(props.id).files);
  useEffect(() => draft.set(props.id, { text, files }), [props.id, text, files]);
  const [tuning, setTuning] = useState(false);
  const picker = useRef<HTMLInputElement>(null);

  const [added, setAdded] = useState<string[]>([]);
  const adding = useAction(async (list: File[]) => {
    const pictures = list.filter((file) => file.type.startsWith("image/"));
    const read = await Promise.all(pictures.map(asPart));
    setFiles((before) => [...before, ...read]);
    // What is no picture is for the documents, where the agent finds it.
    for (const file of list.filter((one) => !pictures.includes(one))) {
      const form = new FormData();
      form.append("file", file);
      await request("/documents", { method: "POST", body: form });
      setAdded((before) => [...before, file.name]);
    }
  });
  const add = (list: Iterable<File>) => void ([...list].length && adding.run([...list]));
  const form = useRef<HTMLFormElement>(null);
  const over = useDrop(form, add);
  const submit = () => {
    if (props.busy || (!text.trim() && !files.length)) return;
    props.onSend(text, files);
    setText("");
    setFiles([]);
    setAdded([]);
    write();
  };
  // The button that had the keyboard turns into another. Where there is a keyboard on the screen, it
  // would come up by this.
  const write = () => matchMedia("(hover: hover)").matches && form.current?.querySelector("textarea")?.focus();
  const tune = useRef<HTMLDivElement>(null);
  const tuned = () => {
    setTuning(false);
    tune.current?.querySelector<HTMLElement>("[aria-expanded]")?.focus();
  };
  const pressed = (event: React.KeyboardEvent) => {
    // While characters are being composed, as for Chinese, Enter chooses one.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  return (
    <form
      ref={form}
      className="composer"
      onSubmit={(event) => (event.preventDefault(), submit())}
    >
      {over && <p className="drop-here">{words.chat.dropHere}</p>}
      {tuning && <Tuning sampling={props.sampling} onSampling={props.onSampling} onLeft={tuned} />}
      {files.length > 0 && (
        <div className="row">
          {files.map((file, place) => (
            <span className="attached" key={place}>
              <img src={file.url} alt={file.filename ?? words.chat.picture} />
              <Button
                kind="bare"
                little
                icon="close"
                aria-label={`${words.remove}: ${file.filename ?? words.chat.picture}`}
                onClick={() => setFiles(files.filter((one) => one !== file))}
              />
            </span>
          ))}
        </div>
      )}
      <FaultBox fault={adding.fault} />
      {(adding.busy || added.length > 0) && (
        <p className="small quiet" role="status">
          {adding.busy ? words.documents.sending : words.chat.added(added.join(", "))}{" "}
          {!adding.busy && <a href={href("documents")}>{words.pages.documents}</a>}
        </p>
      )}
      <textarea
        className="input"
        rows={2}
        dir="auto"
        value={text}
        placeholder={words.chat.placeholder}
        aria-label={words.chat.placeholder}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={pressed}
        onPaste={(event) => add(event.clipboardData.files)}
      />
      <div className="row apart">
        <div className="row" ref={tune}>
          <Button kind="bare" icon="image" aria-label={words.chat.attach} onClick={() => picker.current?.click()} />
          <input
            ref={picker}
            type="file"
            multiple
            hidden
            onChange={(event) => {
              add([...(event.target.files ?? [])]);
              event.target.value = "";
            }}
          />
          <Button
            kind="bare"
            icon="tune"
            aria-label={words.chat.settings}
            title={[words.chat.settings, ...Object.entries(props.sampling).map((one) => one.join(" "))].join(", ")}
            data-set={Object.keys(props.sampling).length > 0 || undefined}
            aria-expanded={tuning}
            onClick={() => setTuning(!tuning)}
          />
          <Picker model={props.model} onModel={props.onModel} />
        </div>
        {props.busy ? (
          <Button icon="stop" onClick={() => (props.onStop(), write())}>
            {words.chat.stop}
          </Button>
        ) : (
          <Button kind="first" icon="send" type="submit" disabled={!text.trim() && !files.length}>
            {words.chat.send}
          </Button>
        )}
      </div>
    </form>
  );
}

/** Files may be let go anywhere over the conversation; whether some are held over it. */
function useDrop(form: RefObject<HTMLFormElement | null>, add: (files: FileList) => void): boolean {
  const [over, setOver] = useState(false);
  const latest = useRef(add);
  latest.current = add;
  useEffect(() => {
    const place = form.current?.closest<HTMLElement>(".talk");
    const stop = new AbortController();
    const on = (name: "dragover" | "dragleave" | "drop", act: (event: DragEvent) => void) =>
      place?.addEventListener(name, act, { signal: stop.signal });
    on("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(true);
    });
    on("dragleave", (event) => {
      if (!place?.contains(event.relatedTarget as Node | null)) setOver(false);
    });
    on("drop", (event) => {
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      setOver(false);
      latest.current(event.dataTransfer.files);
    });
    return () => stop.abort();
  }, [form]);
  return over;
}

function Picker({ model, onModel }: { model: string; onModel: (model: string) => void }) {
  const words = useWords();
  const snapshot = useSnapshot();
  const assigned = Object.entries(snapshot?.capabilities ?? {}).filter(([, one]) => one.model_id);
  const served = snapshot?.models ?? [];
  const catalogue = useGet<{ models: { id: string; path: string | null; usable: boolean; capabilities: string[] }[] }>(
    "/models/catalogue",
  );
  // On disk, and served from the first request on.
  const there = served.flatMap((one) => [one.id, one.path]);
  const here = (catalogue.value?.models ?? []).filter(
    (one) => one.usable && one.capabilities.includes("text") && !there.includes(one.id) && !there.includes(one.path),
  );
  const models = [...served, ...here];
  const text = snapshot?.capabilities.text?.model_id;
  const known = [...assigned.map(([name]) => name), ...models.map((one) => one.id)];
  return (
    <select
      className="input picker"
      aria-label={words.chat.pick}
      value={known.includes(model) ? model : ""}
      onChange={(event) => onModel(event.target.value)}
    >
      <option value="">{text ? words.chat.autoIs(text) : words.chat.auto}</option>
      <optgroup label={words.models.capabilities}>
        {assigned.map(([name, one]) => (
          <option key={name} value={name}>
            {name} → {one.model_id}
          </option>
        ))}
      </optgroup>
      <optgroup label={words.pages.models}>
        {models.map((one) => (
          <option key={one.id}>{one.id}</option>
        ))}
      </optgroup>
    </select>
  );
}

const KNOBS: { name: keyof Sampling; min: number; max?: number; step: number }[] = [
  { name: "temperature", min: 0, max: 2, step: 0.1 },
  { name: "top_p", min: 0, max: 1, step: 0.05 },
  { name: "max_tokens", min: 1, step: 1 },
  { name: "seed", min: 0, step: 1 },
];

function Tuning(props: { sampling: Sampling; onSampling: (next: Sampling) => void; onLeft: () => void }) {
  const { sampling, onSampling, onLeft } = props;
  const words = useWords();
  const id = useId();
  const set = (name: keyof Sampling, value: string) => {
    const { [name]: _, ...rest } = sampling;
    onSampling(value === "" ? rest : { ...rest, [name]: Number(value) });
  };
  return (
    <fieldset className="tuning" onKeyDown={(event) => event.key === "Escape" && onLeft()}>
      <legend className="small quiet">{words.chat.settings}</legend>
      {KNOBS.map(({ name, ...limits }, place) => (
        <label className="field" key={name} htmlFor={id + name}>
          <span className="mono">{name}</span>
          <input
            className="input"
            id={id + name}
            type="number"
            // It stands before the button that opens it.
            autoFocus={place === 0}
            placeholder={words.chat.standard}
            value={sampling[name] ?? ""}
            onChange={(event) => set(name, event.target.value)}
            {...limits}
          />
        </label>
      ))}
    </fieldset>
  );
}

function asPart(file: File): Promise<FileUIPart> {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () =>
      done({ type: "file", mediaType: file.type, filename: file.name, url: String(reader.result) });
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
}
