import { useEffect, useState } from "react";
import { useWords } from "../../i18n";
import { request, type Fault } from "../../lib/api";
import { FaultBox } from "../../parts/basic";

interface Props {
  document: string;
  page: number;
  box?: [number, number, number, number] | null;
}

/** A page's picture; `box` is left, top, right, bottom in the page's own units, which come with it. */
export function PageView({ document, page, box }: Props) {
  const words = useWords();
  const [source, setSource] = useState<string | null>(null);
  const [size, setSize] = useState<[number, number] | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    let made: string | null = null;
    const path = `/documents/${encodeURIComponent(document)}/pages/${page}.png`;
    request(path, { signal: stop.signal })
      .then((answer) => {
        const [width, height] = (answer.headers.get("x-page-size") ?? "").split(" ").map(Number);
        if (width && height) setSize([width, height]);
        return answer.blob();
      })
      .then(
        (blob) => setSource((made = URL.createObjectURL(blob))),
        (error: Fault) => {
          if (!stop.signal.aborted) setFault(error);
        },
      );
    return () => {
      stop.abort();
      if (made) URL.revokeObjectURL(made);
    };
  }, [document, page]);
  return (
    <div className="page-view">
      <FaultBox fault={fault} />
      {!source && !fault && (
        <p className="page-wait quiet" role="status">
          {words.loading}
        </p>
      )}
      {source && <img src={source} alt={words.documents.page(page)} />}
      {source && size && box && <Mark box={box} size={size} />}
    </div>
  );
}

function Mark(props: { box: [number, number, number, number]; size: [number, number] }) {
  const [left, top, right, bottom] = props.box;
  const [width, height] = props.size;
  const place = {
    left: percent(left, width),
    top: percent(top, height),
    width: percent(right - left, width),
    height: percent(bottom - top, height),
  };
  return <div className="page-mark" style={place} />;
}

function percent(part: number, whole: number): string {
  return `${(100 * part) / whole}%`;
}
