"""`mlxd docs` and `mlxd ocr`: which options there are. What they do is imported when used."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .options import Config, DataDir, Json, Url
from .quick import settings_from

app = typer.Typer(help="Documents: add, find, watch.", no_args_is_help=True)

Tag = Annotated[list[str] | None, typer.Option("--tag", help="May be repeated.")]


class Priority(StrEnum):
    high = "high"
    normal = "normal"
    low = "low"


class Form(StrEnum):
    text = "text"
    markdown = "markdown"
    json = "json"


@app.command("add", epilog="Example: mlxd docs add ~/papers --watch")
def add(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="What to add.")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on as files change.")] = False,
    tag: Tag = None,
    priority: Annotated[Priority, typer.Option(help="Before or after others.")] = Priority.normal,
    wait: Annotated[bool, typer.Option(help="Until all is read.")] = True,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Read files and folders, so that they are found.

    Unchanged files are skipped, changed ones replaced, and files that are gone from a folder leave
    the index. Ctrl-C ends the watching; what was added is read on by the service.

    Exit codes: 0 all is read; 1 something could not be; 3 the service does not run.
    """
    from .documents import add

    settings = settings_from({"data_dir": data_dir, "config": config})
    raise SystemExit(
        add(
            settings,
            url,
            paths,
            watch=watch,
            tags=tag or [],
            priority=priority.value,
            wait=wait,
            as_json=json,
        )
    )


@app.command("search", epilog='Example: mlxd docs search "when is the warranty over" --limit 3')
def search(
    question: Annotated[list[str], typer.Argument(help="Words, or a question.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 5,
    tag: Tag = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Find passages, tables and pictures."""
    from .documents import search

    settings = settings_from({"data_dir": data_dir, "config": config})
    search(settings, url, " ".join(question), limit=limit, tags=tag or [], as_json=json)


@app.command("jobs", epilog="Example: mlxd docs jobs -f")
def jobs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they change.")] = False,
    pause: Annotated[str | None, typer.Option(metavar="ID", help="Stop this one for now.")] = None,
    resume: Annotated[str | None, typer.Option(metavar="ID", help="Go on with it.")] = None,
    cancel: Annotated[str | None, typer.Option(metavar="ID", help="End it.")] = None,
    retry: Annotated[str | None, typer.Option(metavar="ID", help="Try it again.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)] = 20,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """What is being read, how far it is, and what could not be."""
    from .documents import jobs

    asked = {"pause": pause, "resume": resume, "cancel": cancel, "retry": retry}
    settings = settings_from({"data_dir": data_dir, "config": config})
    given = [(what, job) for what, job in asked.items() if job]
    raise SystemExit(jobs(settings, url, given, limit=limit, follow=follow, as_json=json))


@app.command("show", epilog="Example: mlxd docs show report.pdf")
def show(
    document: Annotated[str | None, typer.Argument(help="Id or name; without it, all.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Documents that are there, or one of them with its passages."""
    from .documents import show

    show(settings_from({"data_dir": data_dir, "config": config}), url, document, as_json=json)


@app.command("rm", epilog="Example: mlxd docs rm report.pdf")
def rm(
    documents: Annotated[list[str], typer.Argument(help="Ids or names.")],
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Forget documents; the files they came from are left alone."""
    from .documents import rm

    rm(settings_from({"data_dir": data_dir, "config": config}), url, documents)


@app.command("tags", epilog="Example: mlxd docs tags --rename invoce --to invoice")
def tags(
    rename: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="This one; repeat to merge several.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="TAG", help="What it is called then.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Tags with how many documents have them; rename and merge."""
    from .documents import tags

    settings = settings_from({"data_dir": data_dir, "config": config})
    tags(settings, url, rename or [], to, as_json=json)


def ocr(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pictures and PDFs.")],
    form: Annotated[Form, typer.Option("--format", help="Of what is printed.")] = Form.text,
    every_page: Annotated[
        bool, typer.Option("--every-page", help="Also of pages that have text in the file.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Into files in this folder.")
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """The text of pictures and PDFs, read by the model that is assigned to vision.

    Exit codes: 0 all was read; 1 something could not be; 3 the service does not run.
    """
    from .ocr import run

    settings = settings_from({"data_dir": data_dir, "config": config})
    raise SystemExit(run(settings, url, files, form.value, every_page=every_page, output=output))
