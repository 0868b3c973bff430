/** A line over time; `values` are evenly spaced, the newest last. */
export function Chart(props: { values: number[]; label: string; show: (value: number) => string; points?: number }) {
  const { values, label, show } = props;
  const count = Math.max(props.points ?? values.length, 2);
  const top = niceTop(Math.max(...values, 0));
  const offset = count - values.length;
  const points = values.map((v, i) => `${((offset + i) / (count - 1)) * 300},${100 - (v / top) * 92}`);
  const first = (offset / (count - 1)) * 300;
  const now = values.at(-1) ?? 0;
  return (
    <figure style={{ margin: 0 }}>
      <figcaption className="row apart small">
        <span className="quiet">{label}</span>
        <span className="number">{values.length ? show(now) : "–"}</span>
      </figcaption>
      <svg
        className="chart"
        viewBox="0 0 300 100"
        preserveAspectRatio="none"
        role="img"
        aria-label={values.length ? `${label}: ${show(now)}` : label}
      >
        <line className="axis" x1="0" y1="100" x2="300" y2="100" />
        <line className="axis" x1="0" y1="8" x2="300" y2="8" strokeDasharray="3 4" />
        {points.length > 1 && (
          <>
            <polygon points={`${first},100 ${points.join(" ")} 300,100`} />
            <polyline points={points.join(" ")} />
          </>
        )}
      </svg>
      <div className="row apart small quiet number">
        <span>0</span>
        {values.length > 0 && <span>↑ {show(top)}</span>}
      </div>
    </figure>
  );
}

function niceTop(most: number): number {
  if (most <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((n) => n * size).find((n) => n >= most) ?? most;
}

export function plain(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}
