import { useWords } from "../../i18n";
import { seconds } from "../../lib/format";
import { KEPT_SAMPLES, useLive } from "../../lib/live";
import { Empty } from "../../parts/basic";
import { Chart, plain } from "../../parts/chart";
import { EngineCard } from "./engine";
import { DeskCard, Restarts } from "./service";

export function Live() {
  const words = useWords();
  const { snapshot, samples } = useLive();
  const engines = Object.entries(snapshot?.status.engines ?? {});
  return (
    <div className="page">
      <header>
        <h1>{words.live.title}</h1>
      </header>
      <div className="cards charts">
        <section className="card">
          <Chart
            label={words.live.rate}
            show={(value) => `${plain(value)} tok/s`}
            points={KEPT_SAMPLES}
            values={samples.map((s) => s.tokensPerSecond)}
          />
        </section>
        <section className="card">
          <Chart label={words.live.queue} show={plain} points={KEPT_SAMPLES} values={samples.map((s) => s.waiting)} />
        </section>
        <section className="card">
          <Chart
            label={words.live.firstToken}
            show={seconds}
            values={(snapshot?.first_tokens ?? []).map((one) => one.seconds)}
          />
        </section>
      </div>
      {snapshot && !engines.length && (
        <Empty title={words.live.noEngines}>
          <p>{words.live.noEnginesWhy}</p>
        </Empty>
      )}
      <div className="cards">
        {engines.map(([name, engine]) => (
          <EngineCard key={name} name={name} engine={engine} />
        ))}
        {snapshot && <DeskCard desk={snapshot.status.desk} />}
      </div>
      {snapshot && <Restarts engines={engines} />}
    </div>
  );
}
