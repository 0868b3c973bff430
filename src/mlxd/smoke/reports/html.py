"""The report as one HTML file: charts are inline SVG, nothing is loaded from anywhere."""

import json
from collections.abc import Iterator, Sequence
from html import escape

from ..result import CheckResult, Exchange, Report, Round, Run
from .charts import heat_map, latency, strip
from .conclusion import blame, conclusion
from .markdown import cause_of, failed_tests, options, percent, percent_of, rounds_of
from .texts import Lang, Texts

STYLE = """
:root { color-scheme: light dark; --line: #8884; --pass: #1b7a43; --fail: #c0272d;
  --error: #8f5b00; --skip: #666; background: #fff; color: #111; }
@media (prefers-color-scheme: dark) { :root { --pass: #4cc38a; --fail: #ff8589; --error: #f0b03c;
  --skip: #a8a8a8; background: #121212; color: #eee; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0; }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: left;
  vertical-align: top; overflow-wrap: break-word; min-width: 3rem; max-width: 26rem; }
th, .verdict, .short { white-space: nowrap; }
.wide { overflow-x: auto; }
pre { background: #8881; padding: .6rem; overflow-x: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; max-height: 24rem; }
.PASS { color: var(--pass); } .FAIL { color: var(--fail); } .ERROR { color: var(--error); }
.SKIPPED { color: var(--skip); } .verdict { font-weight: 600; }
svg .PASS { fill: var(--pass); } svg .FAIL { fill: var(--fail); } svg .ERROR { fill: var(--error); }
svg .SKIPPED { fill: var(--skip); } svg text { fill: currentColor; font-size: 11px; }
.note { border-left: 4px solid var(--error); padding-left: .8rem; }
summary { cursor: pointer; padding: .3rem 0; }
"""


def html(report: Report, lang: Lang = "en") -> str:
    say = Texts(lang)
    title = f"mlxd {say('title')}"
    parts = [f"<h1>{title}</h1>"]
    if len(report.runs) > 1:
        parts += [f"<h2>{say('compare')}</h2>", _wide(heat_map(report, say))]
    for run in report.runs:
        parts += _run(run, say)
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _run(run: Run, say: Texts) -> Iterator[str]:
    target = run.target
    yield f"<h2>{escape(target.name)} <small>{escape(target.model)}</small></h2>"
    if run.error:
        yield f'<p class="note">{escape(say("not_judged", why=say.told(run.error)))}</p>'
    elif run.cut_short:
        yield f'<p class="note">{escape(say("cut", why=say.told(run.cut_short).rstrip(".")))}</p>'
    yield f"<h3>{say('summary')}</h3>"
    yield _summary(run, say)
    yield f"<h3>{say('table')}</h3>"
    yield _overview(run, say)
    yield f"<h3>{say('latency')}</h3>"
    yield _wide(latency(run, say))
    yield f"<h3>{say('details')}</h3>"
    for check in run.checks:
        yield _check(check, say)
    yield f"<h3>{say('execution')}</h3>"
    yield _execution(run, say)
    yield f"<h3>{say('conclusion')}</h3>"
    for paragraph in conclusion(run, say):
        yield f"<p>{escape(paragraph).replace('**', '').replace(chr(10), '<br>')}</p>"


def _wide(chart: str) -> str:
    return f'<div class="wide" tabindex="0">{chart}</div>'


def _verdict(verdict: str) -> str:
    return f'<span class="verdict {verdict}">{verdict}</span>'


def _summary(run: Run, say: Texts) -> str:
    judged = len(run.checks) - run.count("SKIPPED")
    rounds = sum(len(check.judged) for check in run.checks)
    passed = sum(check.passed for check in run.checks)
    rows = [
        [say("server"), escape(run.target.url or "-")],
        [say("model"), escape(run.target.model or "-")],
        [say("verdict"), _verdict(run.verdict)],
        [say("total"), f"{len(run.checks)} {say('tests')}"],
        [say("passed"), str(run.count("PASS"))],
        [say("failed"), str(run.count("FAIL"))],
        [say("errors"), str(run.count("ERROR"))],
        [say("skipped"), str(run.count("SKIPPED"))],
        [say("rate"), percent(run.count("PASS"), judged)],
        [say("rounds"), f"{passed}/{rounds} ({percent(passed, rounds)})"],
    ]
    if run.category:
        rows.append([say("main_category"), say.category(run.category)])
    if lost := failed_tests(run):
        rows.append([say("failed_tests"), lost])
    return _table([], rows)


def _overview(run: Run, say: Texts) -> str:
    head = ("name", "ran", "strip", "rounds", "expected", "status", "cause")
    rows = [
        [
            f'<span class="short">{check.id}</span>',
            escape(check.title[say.lang]),
            strip(check, say),
            f'<span class="short">{rounds_of(check)}</span>',
            escape(check.expected[say.lang]),
            _verdict(check.verdict),
            escape(cause_of(check, say)),
        ]
        for check in run.checks
    ]
    return _table([say(key) for key in head], rows)


def _check(check: CheckResult, say: Texts) -> str:
    low, high = check.interval
    lines = [f"<p>{say(check.kind, mark=percent_of(check.mark))}</p>"]
    if check.reason:
        lines.append(f"<p>{say('reason')}: {escape(say.told(check.reason))}</p>")
    if check.accused:
        lines.append(f"<p>{say('fault_of')}: {escape(blame(check.accused, say))}</p>")
    if check.kind == "behaviour" and check.judged:
        lines.append(f"<p>{say('interval')}: {low:.2f} – {high:.2f}</p>")
        if check.pass_hat is not None:
            many = min(5, len(check.judged))
            lines.append(f"<p>{say('pass_hat', k=many)}: {check.pass_hat:.2f}</p>")
    head = ("round", "status", "expected", "got", "seconds", "first_token", "tokens", "cause")
    if check.rounds:
        lines.append(_table([say(key) for key in head], [_round(one, say) for one in check.rounds]))
    for one in check.rounds:
        lines += [_exchange(one, exchange, say) for exchange in one.exchanges]
    opened = " open" if check.verdict in ("FAIL", "ERROR") else ""
    title = f"{check.id}: {escape(check.title[say.lang])} {_verdict(check.verdict)}"
    return f"<details{opened}><summary>{title}</summary>{''.join(lines)}</details>"


def _round(one: Round, say: Texts) -> list[str]:
    first = one.first_token_seconds
    cause = say.category(one.category)
    return [
        str(one.number),
        _verdict(one.verdict),
        escape(one.expected),
        escape(say.got(one)[:500]),
        f"{one.seconds:.2f}",
        "-" if first is None else f"{first:.2f}",
        "-" if one.tokens is None else str(one.tokens),
        escape(f"{cause}: {say.told(one.message)}" if cause else say.told(one.message)),
    ]


def _exchange(one: Round, exchange: Exchange, say: Texts) -> str:
    first = exchange.first_byte_seconds
    timing = say(
        "timing",
        status=exchange.status or "-",
        seconds=f"{exchange.seconds:.3f}",
        first="-" if first is None else f"{first:.3f}",
    )
    sent = json.dumps(exchange.request, ensure_ascii=False)
    return (
        f"<details><summary>{say('round')} {one.number}: {escape(exchange.method)} "
        f"{escape(exchange.url)}: {timing}</summary>"
        f"<p>{say('request')}</p><pre>{escape(sent)}</pre>"
        f"<p>{say('response')}</p><pre>{escape(exchange.response or '-')}</pre>"
        f"<p>{say('repeat')}</p><pre>{escape(exchange.curl)}</pre></details>"
    )


def _execution(run: Run, say: Texts) -> str:
    target = run.target
    environment = ", ".join(f"{key} {value}" for key, value in run.environment.items())
    rows = [
        [say("started"), run.started],
        [say("duration"), f"{run.seconds:.1f} s"],
        [say("harness"), f"{run.own_seconds:.2f} s"],
        [say("command"), escape(" ".join(target.command) or say("running"))],
        [say("options"), escape(", ".join(options(run, say)))],
        [say("environment"), escape(environment)],
    ]
    return _table([], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML already."""
    top = (
        "<tr>" + "".join(f'<th scope="col">{cell}</th>' for cell in head) + "</tr>" if head else ""
    )
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    # Wider than a small screen: it scrolls by itself, with the keyboard too.
    return f'<div class="wide" tabindex="0"><table>{top}{body}</table></div>'
