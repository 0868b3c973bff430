import { useState } from "react";
import { useWords } from "../../i18n";
import { useGet } from "../../lib/use";
import { Badge, Button, FaultBox } from "../../parts/basic";

interface Finding {
  name: string;
  title: string;
  status: string;
  found: string;
  why: string;
  mend: string[];
}

const TONES: Record<string, string> = { ok: "good", warn: "warn", fail: "bad", skipped: "" };

export default function Doctor() {
  const words = useWords();
  const [turn, setTurn] = useState(0);
  const { value, fault, busy } = useGet<{ checks: Finding[] }>(turn ? `/doctor?fresh=1#${turn}` : "/doctor");
  return (
    <div className="page">
      <header>
        <h1>{words.doctor.title}</h1>
        <Button icon="again" disabled={busy} onClick={() => setTurn(turn + 1)}>
          {words.doctor.run}
        </Button>
      </header>
      <FaultBox fault={fault} />
      {busy && (
        <p className="quiet" role="status">
          {words.doctor.running}
        </p>
      )}
      {value && <Findings checks={value.checks} />}
    </div>
  );
}

// What needs somebody comes first.
const ORDER = ["fail", "warn", "ok", "skipped"];

function Findings({ checks }: { checks: Finding[] }) {
  const words = useWords();
  const rank = (one: Finding) => ORDER.indexOf(one.status);
  const told = ORDER.map((status) => [status, checks.filter((one) => one.status === status).length] as const);
  return (
    <>
      <p className="row" role="status">
        {told.map(
          ([status, count]) =>
            count > 0 && (
              <Badge key={status} tone={TONES[status]}>
                {count} {words.doctor.status[status]}
              </Badge>
            ),
        )}
      </p>
      <div className="stack findings">
        {[...checks].sort((a, b) => rank(a) - rank(b)).map((one) => (
          <FindingCard key={one.name} finding={one} />
        ))}
      </div>
    </>
  );
}

function FindingCard({ finding }: { finding: Finding }) {
  const words = useWords();
  return (
    <section className="card">
      <div className="row apart">
        <h2>{words.doctor.titles[finding.name] ?? finding.title}</h2>
        <Badge tone={TONES[finding.status] ?? ""}>{words.doctor.status[finding.status] ?? finding.status}</Badge>
      </div>
      <p>{words.told(finding.found)}</p>
      {finding.status !== "ok" && finding.why && <p className="quiet small">{words.told(finding.why)}</p>}
      {finding.mend.length > 0 && (
        <div>
          <span className="small quiet">{words.doctor.mend}</span>
          <pre tabIndex={0}>{finding.mend.map(words.told).join("\n")}</pre>
        </div>
      )}
    </section>
  );
}
