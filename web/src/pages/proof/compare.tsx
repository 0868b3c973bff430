import { useLanguage, useWords } from "../../i18n";
import { useGet } from "../../lib/use";
import { Badge, FaultBox } from "../../parts/basic";
import { TONES, type Report } from "./types";

type Checks = Report["runs"][number]["checks"];

function path(id: string): string {
  return `/proof/reports/${encodeURIComponent(id)}`;
}

/** The checks of one report, or of two side by side, what differs first. */
export function Reports({ ids }: { ids: string[] }) {
  const words = useWords();
  const { language } = useLanguage();
  const left = useGet<Report>(ids[0] ? path(ids[0]) : null);
  const right = useGet<Report>(ids[1] ? path(ids[1]) : null);
  const fault = left.fault ?? right.fault;
  if (fault) return <FaultBox fault={fault} />;
  const shown = [left.value, right.value].slice(0, ids.length).map((one) => one?.runs[0]);
  if (shown.some((one) => !one)) return <p className="quiet">{words.loading}</p>;
  const runs = shown.map((one) => one!);
  const names = [...new Set(runs.flatMap((run) => run.checks.map((one) => one.id)))];
  const rows = names.map((id) => ({ id, found: runs.map((run) => run.checks.find((one) => one.id === id)) }));
  const differs = (row: (typeof rows)[number]) => new Set(row.found.map((one) => one?.verdict)).size > 1;
  rows.sort((a, b) => Number(differs(b)) - Number(differs(a)));
  const title = (found: (Checks[number] | undefined)[], id: string) => {
    const one = found.find((each) => each);
    return one?.title[language] ?? one?.title.en ?? id;
  };
  return (
    <div className="scroll" tabIndex={0} role="group" aria-label={words.proof.compare}>
      <table>
        <thead>
          <tr>
            <th>{words.proof.check}</th>
            {runs.map((run, place) => (
              <th key={place}>
                {run.target.model}
                <div className="number">{new Date(run.started).toLocaleString()}</div>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id} className={differs(row) ? "differs" : ""}>
              <td>{title(row.found, row.id)}</td>
              {row.found.map((one, place) => (
                <td key={place}>
                  {one ? <Verdict check={one} /> : <span className="quiet">–</span>}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Verdict({ check }: { check: Checks[number] }) {
  const words = useWords();
  const rounds = (check.rounds ?? []).filter((one) => one.verdict !== "SKIPPED");
  const passed = rounds.filter((one) => one.verdict === "PASS").length;
  return (
    <div className="stack" style={{ gap: 4 }}>
      <span>
        <Badge tone={TONES[check.verdict] ?? ""}>
          {check.verdict}
          {rounds.length > 0 && ` ${passed}/${rounds.length}`}
        </Badge>
      </span>
      {check.reason && <span className="small quiet">{words.checked(check.reason)}</span>}
    </div>
  );
}
