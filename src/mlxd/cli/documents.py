"""`mlxd docs`"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlxd.settings import Settings

from . import folders
from .board import OVER, UNFINISHED, Board, line
from .client import Client
from .complaint import Complaint
from .folders import Found, Look

# How often a watched folder is looked at: nothing announces changes on every kind of disk.
LOOK_S = 1.0
PAGE = 1_000
EXIT_NOT_ALL = 1
CLOSED = "the folder can't be read ({}), and the documents from it stay"
EMPTY = (
    "the folder is empty, and {} documents from it stay: it may be a disk that is not mounted. "
    "mlxd docs rm forgets them"
)


# --- add -------------------------------------------------------------------------------------


def add(
    settings: Settings,
    url: str | None,
    paths: Sequence[Path],
    *,
    watch: bool,
    tags: Sequence[str],
    priority: str,
    wait: bool,
    as_json: bool,
) -> int:
    client = Client(settings, url)
    fields: dict[str, Any] = {"priority": priority, "tag": list(tags)}
    suffixes = client.get("/documents/types")["suffixes"]
    # What changes while the first round is under way is for the second.
    seen = folders.look(paths, suffixes)
    code = _round(client, paths, suffixes, fields, None, wait=wait, as_json=as_json)
    if not watch:
        return code
    print("watching; Ctrl-C to end", file=sys.stderr)
    try:
        while True:
            time.sleep(LOOK_S)
            now = folders.look(paths, suffixes)
            if now.stamps == seen.stamps:
                continue
            _round(client, paths, suffixes, fields, seen, wait=wait, as_json=as_json)
            # A file that is still being written is looked at again in the next round.
            seen = now
    except KeyboardInterrupt:
        return 0


def _round(
    client: Client,
    paths: Sequence[Path],
    suffixes: Sequence[str],
    fields: Mapping[str, Any],
    before: Look | None,
    *,
    wait: bool,
    as_json: bool,
) -> int:
    """What is new or changed is sent, what is gone is removed. `before`: when last looked."""
    seen = folders.look(paths, suffixes)
    files = seen.files
    known = _known(client)
    removed, doubted = folders.gone(paths, seen, known, before)
    for document in removed:
        client.ask("DELETE", f"/documents/{document['id']}")
    sent, failed = _send(client, [one for one in files if not folders.is_known(one, known)], fields)
    # An unreadable folder is no empty one, and an empty one may be the place of a disk.
    closed = [_left(one, CLOSED.format(why)) for one, why in seen.closed.items()]
    empty = [_left(one, EMPTY.format(count)) for one, count in doubted.items()]
    waiting = [one["job"] for one in sent if one["job"]]
    try:
        over = _follow(client, waiting, quiet=as_json) if wait else []
    except KeyboardInterrupt:
        print("They are read on by the service: mlxd docs jobs", file=sys.stderr)
        raise
    wrong = [job for job in over if job["state"] != "done"]
    refused = [*failed, *closed, *empty]
    if as_json:
        gone = [{"id": one["id"], "name": one["name"]} for one in removed]
        print(json.dumps({"added": sent, "removed": gone, "refused": refused, "jobs": over}))
    else:
        for job in wrong:
            print(f"{job['name']}: {job['state']}: {job['reason']}", file=sys.stderr)
        for one in refused:
            print(f"{one['name']}: {one['reason']}", file=sys.stderr)
        changed = sum(one["what"] == "changed" for one in sent)
        new = sum(one["what"] == "new" for one in sent)
        unchanged = len(files) - changed - new - len(failed)
        print(f"{new} new, {changed} changed, {unchanged} unchanged, {len(removed)} removed")
    return EXIT_NOT_ALL if wrong or refused else 0


def _left(folder: Path, reason: str) -> dict[str, str]:
    return {"name": os.fsencode(folder).decode(errors="replace"), "reason": reason}


def _known(client: Client) -> dict[str, Any]:
    """Documents that came from files, by where these are."""
    made: dict[str, Any] = {}
    after: str | None = None
    while True:
        query = {"limit": PAGE, "source": "file://", **({"after": after} if after else {})}
        found = client.get("/documents", **query)
        made |= {one["source"]: one for one in found["documents"]}
        after = found["next"]
        if after is None:
            return made


def _send(
    client: Client, files: Sequence[Found], fields: Mapping[str, Any]
) -> tuple[list[Any], list[dict[str, str]]]:
    sent: list[Any] = []
    failed = []
    for one in files:
        try:
            with one.path.open("rb") as file:
                form = {**fields, "source": one.source}
                # What is no text in a name can't be sent; which file it is, the source says.
                name = os.fsencode(one.path.name).decode(errors="replace")
                part = [("file", (name, file, "application/octet-stream"))]
                sent += client.ask("POST", "/documents", data=form, files=part)["documents"]
        except FileNotFoundError:
            continue
        except (OSError, Complaint) as error:
            if isinstance(error, Complaint) and error.code != 1:
                raise
            shown = os.fsencode(one.path).decode(errors="replace")
            reason = error.strerror if isinstance(error, OSError) else None
            failed.append({"name": shown, "reason": reason or str(error)})
    return sent, failed


# --- jobs ------------------------------------------------------------------------------------


def _follow(client: Client, waiting: Sequence[str], *, quiet: bool) -> list[Any]:
    """Until all of these are over, or paused."""
    left, over = set(waiting), []
    if not left:
        return []
    with Board(lambda job: None, quiet=quiet) as board:
        for one in waiting:
            board.expect(one)
        for name, job in client.events("GET", "/jobs/events"):
            if name != "job" or job["id"] not in left:
                continue
            board.tell(job)
            if job["state"] in (*OVER, "paused"):
                left.discard(job["id"])
                over.append(job)
            if not left:
                break
    return over


def jobs(
    settings: Settings,
    url: str | None,
    asked: Sequence[tuple[str, str]],
    *,
    limit: int,
    follow: bool,
    as_json: bool,
) -> int:
    client = Client(settings, url)
    if asked:
        made = [client.post(f"/jobs/{job}/{what}") for what, job in asked]
        print(json.dumps(made, indent=2)) if as_json else [print(line(one)) for one in made]
        return 0
    if follow:
        return _live(client, as_json=as_json)
    found = client.get("/jobs", limit=limit)
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    for job in reversed(found["jobs"]):
        print(line(job))
    counts = ", ".join(f"{number} {state}" for state, number in sorted(found["counts"].items()))
    print(counts or "There are no jobs yet. Add documents: mlxd docs add FILE|DIR")
    return 0


def _live(client: Client, *, as_json: bool) -> int:
    """Bars for what is unfinished, and a line for what ends; with JSON, one for each change."""
    if as_json:
        with contextlib.suppress(KeyboardInterrupt):
            for name, job in client.events("GET", "/jobs/events?after=0"):
                if name == "job":
                    print(json.dumps(job), flush=True)
        return 0
    after = client.get("/jobs/events/latest")["change"]
    unfinished = client.get("/jobs", state=list(UNFINISHED), limit=PAGE)["jobs"]
    with contextlib.suppress(KeyboardInterrupt), Board(line, lines=True) as board:
        for job in reversed(unfinished):
            board.tell(job)
        for name, job in client.events("GET", f"/jobs/events?after={after}"):
            if name == "job":
                board.tell(job)
    if board.left:
        print(f"{board.left} left; the service goes on with them.", file=sys.stderr)
    return 0


# --- search, show, rm ------------------------------------------------------------------------


def search(
    settings: Settings,
    url: str | None,
    question: str,
    *,
    limit: int,
    tags: Sequence[str],
    as_json: bool,
) -> None:
    client = Client(settings, url)
    found = client.post("/search", {"query": question, "limit": limit, "tag": list(tags)})
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    console = Console()
    for note in found["notes"]:
        print(f"({note})", file=sys.stderr)
    for one in found["results"]:
        parent = one["parent"]
        page = f", page {parent['page']}" if parent["page"] else ""
        console.print(Text(f"{one['document']['name']}{page}  ({parent['kind']})", style="bold"))
        snippet = Text(" ".join(one["snippet"].split("\n")))
        for start, end in one["highlights"]:
            snippet.stylize("reverse", start, end)
        console.print(snippet)
        if parent["image"]:
            console.print(Text(f"{client.url}{parent['image']}", style="dim"), soft_wrap=True)
        console.print()
    if not found["results"]:
        print("Nothing was found.")


def show(settings: Settings, url: str | None, document: str | None, *, as_json: bool) -> None:
    client = Client(settings, url)
    if document is None:
        found = client.get("/documents", limit=PAGE)
        if as_json:
            print(json.dumps(found, indent=2, ensure_ascii=False))
            return
        _list(found["documents"])
        return
    one = _resolve(client, document)
    chunks = client.get(f"/documents/{one['id']}/chunks")
    if as_json:
        print(json.dumps({**one, **chunks}, indent=2, ensure_ascii=False))
        return
    print(f"{one['name']}  {one['id']}  {one['type']}  {one['bytes']} bytes")
    for job in one["jobs"][:1]:
        print(f"  {job['state']}{': ' + job['reason'] if job['reason'] else ''}")
    if one["tags"]:
        print(f"  tags: {', '.join(one['tags'])}")
    for parent in chunks["parents"]:
        page = f"page {parent['page']}, " if parent["page"] else ""
        print(f"\n[{page}{parent['kind']}]\n{parent['text']}")


def _list(found: Sequence[Mapping[str, Any]]) -> None:
    if not found:
        print("There are no documents yet. Add some: mlxd docs add FILE|DIR")
        return
    table = Table(box=None)
    for name in ("id", "name", "type", "pages", "state", "tags"):
        table.add_column(name)
    for one in found:
        state = "current" if one["current"] else "old" if one["indexed"] else "not read"
        values = (one["id"], one["name"], one["type"], one["pages"] or "", state)
        table.add_row(*(Text(str(value)) for value in values), Text(", ".join(one["tags"])))
    Console().print(table)


def _resolve(client: Client, document: str) -> Any:
    """By id, or by name where only one has it."""
    found = client.exists(f"/documents/{document}") if "/" not in document else None
    if found is not None:
        return found
    named = client.get("/documents", name=document)["documents"]
    if len(named) == 1:
        return client.get(f"/documents/{named[0]['id']}")
    if named:
        ids = ", ".join(one["id"] for one in named)
        raise Complaint(f"{len(named)} documents are called {document}; name one by its id: {ids}")
    raise Complaint(f"There is no document {document!r}. mlxd docs show lists them.")


def rm(settings: Settings, url: str | None, documents: Sequence[str]) -> None:
    client = Client(settings, url)
    for one in [_resolve(client, document) for document in documents]:
        client.ask("DELETE", f"/documents/{one['id']}")
        print(f"{one['name']} ({one['id']}) is forgotten")


def tags(
    settings: Settings, url: str | None, rename: Sequence[str], to: str | None, *, as_json: bool
) -> None:
    client = Client(settings, url)
    if bool(rename) != bool(to):
        raise Complaint("--rename and --to belong together.", 2)
    if rename:
        client.post("/tags/merge", {"tags": list(rename), "to": to})
    found = client.get("/tags")
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for one in found["tags"]:
        print(f"{one['documents']:6}  {one['tag']}")
