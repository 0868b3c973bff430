"""Writes the table of docs/lifecycle.md from results of `mlxd smoke --lifecycle`.

python -m scripts.lifecycle RESULT.json...     keeps what it needs in docs/lifecycle.json
python -m scripts.lifecycle                    writes the table again
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "lifecycle.json"
PAGE = ROOT / "docs" / "lifecycle.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def keep(paths: list[Path]) -> None:
    runs = [run for path in paths for run in json.loads(path.read_text())["runs"]]
    kept = [
        {
            "server": run["target"]["name"],
            "started": run["started"],
            "machine": run["environment"],
            "checks": {check["id"].partition(".")[2]: _found(check) for check in run["checks"]},
            "titles": {
                check["id"].partition(".")[2]: check["title"]["en"] for check in run["checks"]
            },
        }
        for run in runs
    ]
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")


def _found(check: dict[str, Any]) -> dict[str, str]:
    """What the clients saw, in the words of the check."""
    one = check["rounds"][-1] if check["rounds"] else {}
    saw = one.get("got") or one.get("message") or check["reason"]
    if one.get("message") and one.get("got"):
        saw = f"{one['message']}; {one['got']}" if "ended" not in one["message"] else one["got"]
    return {"verdict": check["verdict"], "saw": saw}


def table(kept: list[dict[str, Any]]) -> str:
    servers = [run["server"] for run in kept]
    lines = [
        f"| what happens | {' | '.join(servers)} |",
        "| --- |" + " --- |" * len(servers),
    ]
    for name, title in kept[0]["titles"].items():
        cells = [_cell(run["checks"].get(name)) for run in kept]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    first = kept[0]
    lines.append("")
    lines.append(f"*{first['started'][:10]}, {first['machine']['platform']}.*")
    return "\n".join(lines)


def _cell(found: dict[str, str] | None) -> str:
    if found is None:
        return "–"
    saw = found["saw"].replace("|", "/").replace("\n", " ")
    for long, short in SHORTER.items():
        saw = saw.replace(long, short)
    return f"**{found['verdict']}** {saw}"


SHORTER = {
    "the connection broke before the end of the answer: ": "",
    "peer closed connection without sending complete message body (incomplete chunked read)": (
        "connection closed"
    ),
    "Server disconnected without sending a response.": "connection closed",
    "the stream ends without finish_reason and without an error": (
        "a proper end in the middle, without finish_reason or error"
    ),
}


def main() -> None:
    given = [Path(one) for one in sys.argv[1:]]
    if given:
        keep(given)
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n\n{table(json.loads(KEPT.read_text()))}\n\n{END}{after}"
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
