"""The report as Markdown."""

import json
from collections.abc import Iterator, Sequence

from ..result import CheckResult, Exchange, Report, Round, Run
from .conclusion import blame, conclusion, quoted
from .texts import Lang, Texts

# Of one request or response in the error log; JSON has all of it.
SHOWN_CHARACTERS = 2000


def markdown(report: Report, lang: Lang = "en") -> str:
    say = Texts(lang)
    parts: list[str] = [f"# mlxd {say('title')}"]
    if len(report.runs) > 1:
        parts += [f"## {say('compare')}", comparison(report, say)]
    for run in report.runs:
        parts += _run(run, say, heading=len(report.runs) > 1)
    return "\n\n".join(parts) + "\n"


def _run(run: Run, say: Texts, *, heading: bool) -> Iterator[str]:
    if heading:
        yield f"# {run.target.name}"
    if run.error:
        yield f"> **{say('not_judged', why=quoted(say.told(run.error)))}**"
    elif run.cut_short:
        yield f"> **{say('cut', why=say.told(run.cut_short).rstrip('.'))}**"
    yield f"## {say('summary')}"
    yield _summary(run, say)
    yield f"## {say('table')}"
    yield _overview(run, say)
    yield f"## {say('details')}"
    for check in run.checks:
        yield from _check(check, say)
    yield f"## {say('log')}"
    yield from _log(run, say)
    yield f"## {say('execution')}"
    yield _execution(run, say)
    yield f"## {say('conclusion')}"
    yield from conclusion(run, say)


def _summary(run: Run, say: Texts) -> str:
    total = len(run.checks)
    rounds = sum(len(check.judged) for check in run.checks)
    passed_rounds = sum(check.passed for check in run.checks)
    judged = total - run.count("SKIPPED")
    rows = [
        (say("server"), f"{run.target.name} ({run.target.url or '-'})"),
        (say("model"), run.target.model or "-"),
        (say("verdict"), f"**{run.verdict}**"),
        (say("total"), f"{total} {say('tests')}"),
        (say("passed"), str(run.count("PASS"))),
        (say("failed"), str(run.count("FAIL"))),
        (say("errors"), str(run.count("ERROR"))),
        (say("skipped"), str(run.count("SKIPPED"))),
        (say("rate"), percent(run.count("PASS"), judged)),
        (say("rounds"), f"{passed_rounds}/{rounds} ({percent(passed_rounds, rounds)})"),
    ]
    if run.category:
        rows.append((say("main_category"), say.category(run.category)))
    if lost := failed_tests(run):
        rows.append((say("failed_tests"), lost))
    return table((say("what"), say("number")), rows)


def failed_tests(run: Run) -> str:
    return ", ".join(check.id for check in run.checks if check.verdict == "FAIL")


def _overview(run: Run, say: Texts) -> str:
    head = [say(key) for key in ("name", "ran", "rounds", "expected", "status", "cause")]
    rows = [
        (
            check.id,
            check.title[say.lang],
            rounds_of(check),
            check.expected[say.lang],
            check.verdict,
            cause_of(check, say),
        )
        for check in run.checks
    ]
    return table(head, rows)


def cause_of(check: CheckResult, say: Texts) -> str:
    """Nothing where it passed, though some of its rounds may not have."""
    if check.verdict == "PASS":
        return ""
    return say.category(check.category) or say.told(check.reason)


def rounds_of(check: CheckResult) -> str:
    return f"{check.passed}/{len(check.judged) or check.planned}"


def _check(check: CheckResult, say: Texts) -> Iterator[str]:
    yield f"### {check.id}: {check.title[say.lang]}"
    kind = say(check.kind, mark=percent_of(check.mark)) if check.kind == "behaviour" else ""
    low, high = check.interval
    rows = [
        (say("name"), check.id),
        (say("ran"), check.title[say.lang]),
        (say("rounds"), f"{rounds_of(check)} ({check.planned})"),
        (say("expected"), check.expected[say.lang]),
        (say("status"), f"**{check.verdict}**"),
        (say("kind"), kind or say("contract")),
    ]
    if check.reason:
        rows.append((say("reason"), say.told(check.reason)))
    if check.category:
        rows.append((say("cause"), say.category(check.category)))
    if check.accused:
        rows.append((say("fault_of"), blame(check.accused, say)))
    if check.kind == "behaviour" and check.judged:
        rows.append((say("interval"), f"{low:.2f} – {high:.2f}"))
        if check.pass_hat is not None:
            many = min(5, len(check.judged))
            rows.append((say("pass_hat", k=many), f"{check.pass_hat:.2f}"))
    yield table((say("what"), ""), rows)
    if check.rounds:
        head = ("round", "status", "expected", "got", "seconds", "first_token", "tokens", "cause")
        yield table([say(key) for key in head], [_round(one, say) for one in check.rounds])


def _round(one: Round, say: Texts) -> Sequence[str]:
    cause = say.category(one.category)
    return (
        str(one.number),
        one.verdict,
        one.expected,
        say.got(one)[:200],
        f"{one.seconds:.2f}",
        "-" if one.first_token_seconds is None else f"{one.first_token_seconds:.2f}",
        "-" if one.tokens is None else str(one.tokens),
        f"{cause}: {say.told(one.message)}" if cause else say.told(one.message),
    )


def failures(run: Run) -> str:
    """Only what failed, in English: for a test's output."""
    say = Texts("en")
    reasons = [f"{check.id}: {check.reason}" for check in run.checks if check.reason]
    return "\n\n".join([*reasons, *_log(run, say)])


def _log(run: Run, say: Texts) -> Iterator[str]:
    quiet = True
    for check in run.checks:
        for one in check.rounds:
            if one.verdict in ("FAIL", "ERROR"):
                quiet = False
                yield from _failure(check, one, say)
    if quiet:
        yield say("no_errors")


def _failure(check: CheckResult, one: Round, say: Texts) -> Iterator[str]:
    cause = say.category(one.category) or one.verdict
    yield f"### {check.id}, {say('round')} {one.number}: {cause}"
    yield _inline(say.told(one.message))
    for exchange in one.exchanges:
        yield from _exchange(exchange, say)


def _exchange(exchange: Exchange, say: Texts) -> Iterator[str]:
    first = exchange.first_byte_seconds
    timing = say(
        "timing",
        status=exchange.status or "-",
        seconds=f"{exchange.seconds:.3f}",
        first="-" if first is None else f"{first:.3f}",
    )
    yield f"{exchange.method} {exchange.url}: {timing}" + (
        f" ({say.told(exchange.error)})" if exchange.error else ""
    )
    if exchange.request is not None:
        yield f"{say('request')}:\n\n" + _fence(
            json.dumps(exchange.request, ensure_ascii=False), say
        )
    yield f"{say('response')}:\n\n" + _fence(exchange.response or "-", say)
    yield f"{say('repeat')}:\n\n" + _fence(exchange.curl, say, whole=True, kind="sh")


def _fence(text: str, say: Texts, *, whole: bool = False, kind: str = "") -> str:
    if not whole and len(text) > SHOWN_CHARACTERS:
        text = text[:SHOWN_CHARACTERS] + say("shown_cut")
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}{kind}\n{text.rstrip()}\n{ticks}"


def _execution(run: Run, say: Texts) -> str:
    target = run.target
    rows = [
        (say("started"), run.started),
        (say("duration"), f"{run.seconds:.1f} s"),
        (say("harness"), f"{run.own_seconds:.2f} s"),
        (say("url"), target.url or "-"),
        (say("server"), target.server or "-"),
        (say("command"), " ".join(target.command) or say("running")),
        (say("options"), ", ".join(options(run, say))),
        (say("environment"), ", ".join(f"{k} {v}" for k, v in run.environment.items())),
    ]
    return table((say("what"), ""), rows)


def options(run: Run, say: Texts) -> Iterator[str]:
    for key, value in run.options.items():
        shown = " · ".join(value) if isinstance(value, list) else say.told(str(value))
        yield f"{key}={'-' if value is None else shown}"


def comparison(report: Report, say: Texts) -> str:
    ids = dict.fromkeys(check.id for run in report.runs for check in run.checks)
    head = [say("test"), *(run.target.name for run in report.runs)]
    rows = [[say("verdict"), *(f"**{run.verdict}**" for run in report.runs)]]
    for name in ids:
        rows.append([name, *(_cell(run, name, say) for run in report.runs)])
    return table(head, rows)


def _cell(run: Run, name: str, say: Texts) -> str:
    check = next((one for one in run.checks if one.id == name), None)
    if check is None:
        return "-"
    cause = f" ({say.category(check.category)})" if check.category else ""
    return f"{check.verdict} {rounds_of(check)}{cause}" if check.judged else check.verdict


def percent(part: int, whole: int) -> str:
    return percent_of(part / whole) if whole else "-"


def percent_of(share: float) -> str:
    return f"{100 * share:.1f}%".replace(".0%", "%")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_inline(cell) for cell in line) + " |" for line in lines)


def _inline(text: str) -> str:
    """Safe within a table: what a model said must not become markup."""
    for mark in ("\\", "|", "<", "`"):
        text = text.replace(mark, "\\" + mark)
    return text.replace("\r", "").replace("\n", "⏎")
