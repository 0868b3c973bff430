import { useEffect, useState } from "react";
import { useWords } from "../../i18n";
import { send } from "../../lib/api";
import { seconds } from "../../lib/format";
import { share } from "../../lib/shared";
import { useAction } from "../../lib/use";
import { Badge, Bar, Button, FaultBox } from "../../parts/basic";
import { OVER, type Job } from "./types";

const TONES: Record<string, string> = { running: "warn", done: "good", failed: "bad" };
const SHOWN_OVER = 5;
// More of what waits is a number.
const SHOWN_OPEN = 8;

/** Every job as its last event tells it, newest first. */
export function useJobs(): Job[] {
  const [jobs, setJobs] = useState<Map<string, Job>>(new Map());
  useEffect(() => {
    const stop = new AbortController();
    void share("/jobs/events", stop.signal, {
      key: (message) => (message.event === "job" ? (JSON.parse(message.data) as Job).id : ""),
      take: (message) => {
        if (message.event !== "job") return;
        const job = JSON.parse(message.data) as Job;
        setJobs((before) => new Map(before).set(job.id, job));
      },
      lost: () => undefined, // the page's other requests tell what is wrong
    });
    return () => stop.abort();
  }, []);
  return [...jobs.values()].sort((a, b) => b.created - a.created);
}

export function Jobs({ jobs }: { jobs: Job[] }) {
  const words = useWords();
  const open = jobs.filter((job) => !OVER.includes(job.state));
  open.sort((a, b) => Number(b.state === "running") - Number(a.state === "running"));
  const waiting = open.length - SHOWN_OPEN;
  const over = jobs.filter((job) => OVER.includes(job.state)).slice(0, SHOWN_OVER);
  if (!jobs.length) return null;
  return (
    <section className="card" aria-label={words.documents.jobs}>
      <h2>{words.documents.jobs}</h2>
      <ul className="jobs">
        {[...open.slice(0, SHOWN_OPEN), ...over].map((job) => (
          <JobRow key={job.id} job={job} />
        ))}
      </ul>
      {waiting > 0 && <p className="small quiet">{words.documents.moreJobs(waiting)}</p>}
    </section>
  );
}

function JobRow({ job }: { job: Job }) {
  const words = useWords();
  const act = useAction((what: string) => send("POST", `/jobs/${encodeURIComponent(job.id)}/${what}`));
  const ways = { running: ["pause", "cancel"], queued: ["pause", "cancel"], waiting: ["cancel"], paused: ["resume", "cancel"], failed: ["retry"], cancelled: ["retry"] };
  const possible = (ways as Record<string, string[]>)[job.state] ?? [];
  return (
    <li>
      <div className="row apart">
        <span>
          <bdi>{job.kind === "vectors" ? words.told(job.name) : job.name}</bdi>{" "}
          <span className="small quiet">{words.documents.jobKinds[job.kind] ?? job.kind}</span>
        </span>
        <span className="row">
          {possible.map((what) => (
            <Button key={what} little disabled={act.busy} onClick={() => void act.run(what)}>
              {words.documents.acts[what]}
            </Button>
          ))}
          <Badge tone={TONES[job.state] ?? ""}>{words.documents.states[job.state] ?? job.state}</Badge>
        </span>
      </div>
      {job.state === "running" && (
        <>
          <Bar part={job.total ? job.done / job.total : 0} label={job.name} />
          <span className="small quiet number">
            {[job.kind !== "tags" && job.step && words.told(job.step), job.total > 1 && `${job.done} / ${job.total}`].filter(Boolean).join(" · ")}
            {job.seconds_left !== null && ` · ${words.models.left(seconds(job.seconds_left))}`}
          </span>
        </>
      )}
      {job.reason && <span className={`small ${job.state === "failed" ? "bad" : "quiet"}`}>{words.fault(job.reason, job.code)}</span>}
      <FaultBox fault={act.fault} />
    </li>
  );
}
