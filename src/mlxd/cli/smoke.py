"""`mlxd smoke`: any server and the model behind it, judged from outside."""

import enum
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer._click.exceptions import UsageError
from typer.core import TyperCommand

if TYPE_CHECKING:
    from rich.console import Console

    from mlxd.smoke import Report, Run, Subject

# sysexits' EX_USAGE: 1 and 2 already say what became of the checks.
EXIT_USAGE = 64


# While one of these is blocked, it waits. What is asked for before the first check, and while the
# report is written, must not cost the report.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Command(TyperCommand):
    """Wrong arguments end with 64."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            error.exit_code = EXIT_USAGE
            raise


class Format(enum.StrEnum):
    md = "md"
    html = "html"
    json = "json"
    junit = "junit"


class Progress(enum.StrEnum):
    text = "text"
    json = "json"


class Lang(enum.StrEnum):
    en = "en"
    zh = "zh"


def smoke(
    results: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RESULT.json]...", help="Earlier results to put alongside."),
    ] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]URL", envvar="MLX_BASE_URL", help="A running server; may be repeated."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|DIR",
            envvar="MLX_MODEL_PATH",
            help="Start a server with this model, and stop it afterwards; may be repeated.",
        ),
    ] = None,
    model_id: Annotated[
        str,
        typer.Option(envvar="MLX_MODEL_ID", help="Its name in requests, if not the first listed."),
    ] = "",
    api_key: Annotated[
        str | None, typer.Option(envvar="OPENAI_API_KEY", help="Sent as bearer token.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Trust any TLS certificate.")
    ] = False,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this suite; may be repeated. core: the first four. All: health, basic, "
            "tool-role, tool-loop, conversation, streaming, structured, vision, stop, seed, "
            "choices, logprobs, context, multilingual, tool-choice, parallel-tools, reasoning, "
            "embeddings, completions, errors, concurrency, cancel, steady.",
        ),
    ] = None,
    rounds: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Of each behaviour check; auto: until it is clear."),
    ] = None,
    pass_mark: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of rounds that must pass.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the reports into this folder.")
    ] = None,
    format: Annotated[
        list[Format] | None,
        typer.Option(
            metavar="md|html|json|junit",
            help="Only this report; may be repeated. Without --report: print it.",
        ),
    ] = None,
    lang: Annotated[Lang, typer.Option(help="Of the reports.")] = Lang.en,
    blame: Annotated[
        bool,
        typer.Option(
            "--blame",
            help="Of failures against an mlxd here: gateway, engine, template or model?",
        ),
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Put all results side by side in one report.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.05, help="Seconds for one answer.")] = 120.0,
    time_limit: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds for the whole run.")
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=1, envvar=["MAX_TOKENS", "MLX_MAX_TOKENS"], help="Of one answer."),
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0, envvar="TEMPERATURE", help="Of the behaviour checks.")
    ] = 0.0,
    top_p: Annotated[
        float | None, typer.Option(min=0, max=1, envvar="TOP_P", help="Of the behaviour checks.")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where the certificate of a model that is started here goes."),
    ] = None,
    lifecycle: Annotated[
        bool,
        typer.Option("--lifecycle", help="Start a server, hurt it, and watch what clients see."),
    ] = False,
    command: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]COMMAND",
            help="With --lifecycle: how the server is started; {port} and {scratch} are filled in.",
        ),
    ] = None,
    swap: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --lifecycle: another model that it can serve."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress and no summary.")
    ] = False,
    progress: Annotated[
        Progress, typer.Option(help="For people, or as lines of JSON on standard output.")
    ] = Progress.text,
) -> None:
    """Prove a model and its server with fresh values, and say exactly what is wrong.

    Without --url and --model, a server with the bundled model is started. Exit codes: 0 pass,
    1 fail, 2 error or inconclusive, 64 usage.
    """
    if (command or swap) and not lifecycle:
        raise usage("--command and --swap are for --lifecycle.")
    if progress is Progress.json and format and not report:
        raise usage("Lines and a report can't share standard output: say --report DIR.")
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    import msgspec
    from rich.console import Console

    from mlxd.smoke import Options, Plan, Report, from_json, run_all
    from mlxd.smoke.reports import Lines, Live, summary

    def watching(console: "Console") -> "Lines | Live":
        if progress is Progress.json:
            return Lines(lambda line: print(line, end="", flush=True))
        return Live(console, lang.value)

    options = Options(temperature=temperature, top_p=top_p, timeout=timeout)
    if max_tokens is not None:
        options = msgspec.structs.replace(options, max_tokens=max_tokens)
    plan = Plan(
        suites=_suites(suite),
        rounds=_rounds(rounds),
        mark=pass_mark,
        time_limit=time_limit,
        options=options,
    )
    earlier = [run for path in results or () for run in _earlier(path, from_json).runs]
    if lifecycle:
        from .lifecycle import judge

        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        live = None if quiet else watching(Console(stderr=True, highlight=False))
        made = judge(command or [], model_id, swap or [], options, live, only=suite or [])
        made.runs[:0] = earlier
        _write(made, report, format or [], lang)
        if not quiet:
            summary(Console(stderr=True, highlight=False), made, lang.value)
        raise SystemExit(made.exit_code)
    subjects = [
        msgspec.structs.replace(one, insecure=insecure)
        for one in _subjects(url or [], model or [], model_id, api_key, alone=not earlier)
    ]
    console = Console(stderr=True, highlight=False)
    live = None if quiet else watching(console)
    made = run_all(subjects, plan, live, held=True) if subjects else Report(runs=[])
    if blame:
        with _interruptible():
            for run in made.runs:
                _accuse(run, console if not quiet else None, lang)
    made.runs[:0] = earlier
    _write(made, report, format or [], lang)
    if not quiet:
        summary(console, made, lang.value)
        if report:
            console.print(f"\n{report}", markup=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if not suite:
        console.quiet = quiet
        _certify(made.runs[len(earlier) :], data_dir, console, lang)
    raise SystemExit(made.exit_code)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C or SIGTERM end what is within, and what follows still happens."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        signal.signal(signal.SIGTERM, before)


def _accuse(run: "Run", console: "Console | None", lang: Lang) -> None:
    import asyncio

    from mlxd.settings import load
    from mlxd.smoke.reports import Texts

    from .certify import folder_here

    folder = folder_here(run)
    if folder is None or not run.count("FAIL") or run.cut_short:
        return
    from mlxd.referee import accuse

    if console:
        console.print(Texts(lang.value)("blaming"))
    asyncio.run(accuse(run, folder, load()))


def _certify(runs: list["Run"], data_dir: Path | None, console: "Console", lang: Lang) -> None:
    from mlxd.settings import SettingsError, load
    from mlxd.smoke.reports import Texts

    from .certify import certify

    say = Texts(lang.value)
    for run in runs:
        try:
            path = certify(run, data_dir or load().data_dir)
        except (OSError, ValueError, SettingsError) as error:
            told = say("no_certificate", why=error)
            console.print(told, markup=False, soft_wrap=True)
        else:
            if path:
                told = say("certificate", path=path)
                console.print(told, markup=False, soft_wrap=True)


def usage(message: str) -> UsageError:
    error = UsageError(message)
    error.exit_code = EXIT_USAGE
    return error


def _suites(given: list[str] | None) -> tuple[str, ...]:
    from mlxd.smoke import CORE, SUITES

    chosen = [one for name in given or () for one in name.split(",")]
    if not chosen:
        return tuple(SUITES)
    wanted = {name for one in chosen for name in (CORE if one == "core" else (one,))}
    if wrong := sorted(wanted - set(SUITES)):
        raise usage(f"{wrong[0]!r} is no suite. There are: core, {', '.join(SUITES)}.")
    return tuple(name for name in SUITES if name in wanted)


def _rounds(given: str | None) -> Any:
    if given is None or given == "auto":
        return given
    if not given.isdecimal() or not int(given):
        raise usage(f"--rounds {given!r} is neither a number from 1 on nor auto.")
    return int(given)


def _earlier(path: Path, read: Any) -> "Report":
    import msgspec

    try:
        found: Report = read(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise usage(f"{path} is no result of mlxd smoke: {error}") from error
    return found


def _subjects(
    urls: list[str], models: list[str], model_id: str, api_key: str | None, *, alone: bool
) -> list["Subject"]:
    """A URL from the environment together with a model path means that server, asked for that
    model: servers of the time of these variables know a model by its path."""
    from mlxd.smoke import Subject

    if urls and _from_environment("MLX_MODEL_PATH", models):
        model_id, models = model_id or models[0], []
    elif models and _from_environment("MLX_BASE_URL", urls):
        urls = []
    found = []
    for given in urls:
        name, equals, address = given.partition("=")
        if not equals or "/" in name:
            name, address = "", given
        _valid(address)
        found.append(Subject(name=name, url=address, model_id=model_id, api_key=api_key))
    found += [Subject(model=one, model_id=model_id, api_key=api_key) for one in models]
    if not found and alone:
        found.append(Subject(model_id=model_id, api_key=api_key))
    return found


def _valid(url: str) -> None:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise usage(f"--url {url!r} is no address such as http://127.0.0.1:60315")


def _from_environment(variable: str, values: list[str]) -> bool:
    import os

    return bool(values) and values == os.environ.get(variable, "").split()


def _write(made: "Report", folder: Path | None, formats: list[Format], lang: Lang) -> None:
    from mlxd.smoke.reports import RENDER

    wanted = [one.value for one in formats] or (list(RENDER) if folder else [])
    for name in wanted:
        suffix, render = RENDER[name]
        text = render(made, lang.value)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"smoke{suffix}").write_text(text, encoding="utf-8")
        else:
            typer.echo(text)
