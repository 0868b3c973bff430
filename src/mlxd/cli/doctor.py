"""`mlxd doctor`"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxd.doctor import Case, Examination, Finding, Report, Status, remedies
from mlxd.doctor.examination import UnknownCheck, chosen

from .complaint import Complaint
from .quick import load_settings

if TYPE_CHECKING:
    from rich.console import Console

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
COLOURS = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.SKIPPED: "dim",
}


def case_from(flags: dict[str, Any]) -> Case:
    """Settings that can't be read are a finding, not the end."""
    from mlxd.settings import SettingsError, load

    try:
        return Case(settings=load_settings(flags))
    except SettingsError as error:
        kept = {"data_dir": flags.get("data_dir")}
        usual = load(config=Path("/dev/null"), environ={}, flags=kept)
        return Case(settings=usual, complaint=str(error))


def run(
    flags: dict[str, Any],
    *,
    only: Sequence[str],
    skip: Sequence[str],
    as_json: bool,
    fix: bool,
    yes: bool,
) -> int:
    case = case_from(flags)
    try:
        names = chosen(_parts(only), _parts(skip))
    except UnknownCheck as error:
        raise Complaint(str(error), EXIT_USAGE) from error
    if fix:
        _fix(case, names, yes=yes, quiet=as_json)
    report = _examine(case, names, quiet=as_json)
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print(report)
    if report.interrupted:
        return EXIT_INTERRUPTED
    return 1 if report.status is Status.FAIL else 0


def _parts(given: Iterable[str]) -> list[str]:
    return [one.strip() for value in given for one in value.split(",") if one.strip()]


def _examine(case: Case, names: Sequence[str], *, quiet: bool) -> Report:
    from rich.console import Console

    progress = Console(stderr=True, highlight=False)
    if quiet or not progress.is_terminal:
        examination = Examination(case, names)
        return _run(examination)
    with progress.status("starting") as line:
        examination = Examination(
            case,
            names,
            waiting=lambda now: line.update(
                f"{len(examination.findings)} of {len(names)}: {', '.join(now[:4])}"
            ),
        )
        return _run(examination)


def _run(examination: Examination) -> Report:
    try:
        return examination.run()
    except KeyboardInterrupt:
        return examination.report(interrupted=True)


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in report.checks:
        table.add_row(Text(one.status, COLOURS[one.status]), one.title, Text(one.found))
    console.print(table)
    for one in report.checks:
        if one.status in (Status.WARN, Status.FAIL):
            _advise(console, one)
    counts = ", ".join(f"{n} {name}" for name, n in report.counts.items() if n)
    console.print(f"\n{counts} ({report.seconds:.1f} s)")
    if report.interrupted:
        console.print("interrupted: what was not looked at is not shown", style="yellow")


def _advise(console: "Console", one: Finding) -> None:
    from rich.text import Text

    console.print()
    console.print(Text(f"{one.title}: ", COLOURS[one.status]) + Text(one.why, "default"))
    for command in one.mend:
        # Never folded: it has to be copied as it stands.
        console.print(Text(f"    {command}", "bold"), soft_wrap=True)


def _fix(case: Case, names: Sequence[str], *, yes: bool, quiet: bool) -> None:
    wanted = {*names, *(("products",) if "leftovers" in names else ())}
    found = [one for one in remedies(case.settings) if one.check in wanted]
    say = sys.stderr if quiet else sys.stdout
    if not found:
        print("nothing to fix: what is left needs you", file=say)
    for one in found:
        if not (yes or _agreed(one.what)):
            print(f"left as it is: {one.what}", file=say)
            continue
        try:
            print(f"{one.what}: {one.do()}", file=say)
        except OSError as error:
            print(f"{one.what}: not done: {error}", file=say)


def _agreed(what: str) -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return input(f"{what}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def diagnose(given: str | None, *, as_json: bool) -> int:
    """The text itself, a file with it, or `-` for standard input."""
    from mlxd.doctor.diagnose import diagnose as recognise

    text = _text(given)
    if not text.strip():
        raise Complaint("There is no text to look at.", EXIT_USAGE)
    found = recognise(text)
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return 0 if found else 1
    if not found:
        print(UNKNOWN)
        return 1
    for place, one in enumerate(found):
        print(("" if place == 0 else "\nAlso:\n") + f"{one.about} ({one.id})\n    {one.line}")
        print(f"\nCause: {one.cause}")
        print("\nWhat to do:")
        for number, step in enumerate(one.do, 1):
            print(f"  {number}. {step}")
        if one.here:
            print(f"\nIn mlxd: {one.here}")
        print(f"\nSource: {'; '.join(one.source)}")
    return 0


UNKNOWN = """\
Nothing here is a failure that mlxd knows. To find out more, collect:
  1. mlxd doctor --json > doctor.json     what this machine is like
  2. mlxd logs -n 200 > mlxd.log          the last lines of gateway and engines
  3. mlxd status --json > status.json     states and last errors, while the service runs
  4. the request that led to it, and its x-request-id
The first line of the last traceback and the last line of the log say most."""


def _text(given: str | None) -> str:
    from mlxd.doctor.diagnose import last_of, last_part

    if given is None or given == "-":
        if sys.stdin.isatty():
            print("Paste the error, then Ctrl-D:", file=sys.stderr)
        return last_of(sys.stdin.buffer)
    if not given.strip():
        return ""
    try:
        path = Path(given)
        if path.is_dir():
            raise Complaint(f"{given} is a folder; name the log in it.", EXIT_USAGE)
        if path.is_file():
            return last_part(path)
    except OSError as error:
        # A text may be too long for a name, or hold what no name may.
        if "\n" not in given and given.startswith(("/", "./", "../", "~")):
            raise Complaint(f"{given} can't be read: {error.strerror or error}.") from error
    except ValueError:
        return given
    if given.startswith(("/", "./", "../")) and " " not in given and "\n" not in given:
        raise Complaint(f"There is no file {given}.", EXIT_USAGE)
    return given
