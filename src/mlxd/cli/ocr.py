"""`mlxd ocr`"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mlxd.settings import Settings

from .client import Client
from .complaint import Complaint

SUFFIXES = {"text": ".txt", "markdown": ".md", "json": ".json"}
EXIT_NOT_ALL = 1


def run(
    settings: Settings,
    url: str | None,
    files: Sequence[Path],
    form: str,
    *,
    every_page: bool,
    output: Path | None,
) -> int:
    client = Client(settings, url)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    code, all_read = 0, []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        for file in files:
            try:
                made = _read(client, file, form, bars, every_page=every_page)
            except Complaint as complaint:
                if complaint.code != 1:
                    raise
                print(f"{file}: {complaint}", file=sys.stderr)
                code = EXIT_NOT_ALL
                continue
            if output is not None:
                target = output / (file.name + SUFFIXES[form])
                target.write_text(_text(made, form), encoding="utf-8")
            elif form == "json":
                all_read.append(made)
            else:
                _print(file, made["text"], several=len(files) > 1)
    if form == "json" and output is None:
        found = all_read[0] if len(files) == 1 and all_read else all_read
        print(json.dumps(found, indent=2, ensure_ascii=False))
    return code


def _text(made: Any, form: str) -> str:
    if form != "json":
        return str(made["text"])
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _print(file: Path, text: str, *, several: bool) -> None:
    if several:
        print(f"==> {file} <==")
    print(text.rstrip("\n"))


def _read(client: Client, file: Path, form: str, bars: Progress, *, every_page: bool) -> Any:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Complaint(f"it can't be read: {error.strerror or error}") from error
    fields = {"format": form, "every_page": "yes" if every_page else "no"}
    bar = bars.add_task(escape(file.name[:40]), total=None, note="")
    try:
        sent = {"file": (file.name, data, "application/octet-stream")}
        for name, what in client.events("POST", "/ocr", data=fields, files=sent):
            if name == "progress":
                note = f"page {what['page']} of {what['pages']}" if what["pages"] > 1 else ""
                bars.update(bar, completed=what["done"], total=what["total"], note=note)
            elif name == "error":
                raise Complaint(what["error"]["message"])
            elif name == "result":
                if form != "json":
                    return what
                return {key: value for key, value in what.items() if key != "text"}
    finally:
        bars.remove_task(bar)
    raise Complaint("the service ended before the file was read; try again.")
