const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined) return "–";
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit < 2 || value >= 100 ? 0 : 1)} ${UNITS[unit]}`;
}

export function seconds(count: number): string {
  if (count < 1) return `${Math.round(count * 1000)} ms`;
  if (count < 60) return `${count.toFixed(count < 10 ? 1 : 0)} s`;
  if (count < 3600) return `${Math.floor(count / 60)} min ${Math.round(count % 60)} s`;
  if (count < 86400) return `${Math.floor(count / 3600)} h ${Math.floor((count % 3600) / 60)} min`;
  return `${Math.floor(count / 86400)} d ${Math.floor((count % 86400) / 3600)} h`;
}

export function clock(at: number): string {
  return new Date(at * 1000).toLocaleTimeString(undefined, { hour12: false });
}

export function moment(at: number): string {
  return new Date(at * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

export function number(value: number): string {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
}
