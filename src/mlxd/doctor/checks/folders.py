"""The permissions of mlxd's own folders and of files with a secret in them."""

import contextlib
import importlib.util
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mlxd.machine import cache_folder
from mlxd.settings import Settings, default_config_file

from ..finding import Case, Finding, fail, ok, warn
from ..hints import data_elsewhere, existing, is_read_only, ours, own_again, quoted

TITLE = "Own folders"
WHY = "Logs, assignments and compiled routines lie there. Others must not write to them, mlxd must."

# Reading an index of millions of passages takes longer, and says nothing then.
INDEX_S = 60.0
CHECKED_WHOLE = 200_000_000
OTHERS_WRITE = stat.S_IWOTH | stat.S_IWGRP
OTHERS_READ = stat.S_IROTH | stat.S_IRGRP


def own_folders(settings: Settings) -> list[Path]:
    """Those that there are."""
    data = settings.data_dir
    named = [data, *(data / name for name in ("logs", "run", "certificates")), cache_folder()]
    # Path.is_dir raises where a folder above may not be entered.
    return [path for path in named if os.path.isdir(path)]


def secret_files(settings: Settings) -> Iterator[Path]:
    """Settings files of ours with a token, that other users may read."""
    source = settings.sources.get("server.token", "")
    file = Path(source) if source.startswith("/") else None
    if settings.server.token and file is not None and file.is_file():
        found = file.stat()
        if found.st_mode & OTHERS_READ and found.st_uid == os.getuid():
            yield file


def look(case: Case) -> Finding:
    data = case.settings.data_dir
    if os.path.exists(data) and not os.path.isdir(data):
        return fail(f"the data folder {data} is a file", quoted("mv", data, f"{data}.old"))
    if not os.path.isdir(existing(data)):
        told = f"the data folder {data} can't be made: {existing(data)} is a file"
        return fail(told, data_elsewhere())
    for folder in (existing(data), *own_folders(case.settings)):
        if not os.access(folder, os.W_OK | os.X_OK):
            return _unwritable(folder)
    if damage := _damage(data):
        return fail(damage, _away(data / "mlxd.db"))
    if found := _damaged_documents(case):
        return found
    exposed = [f for f in own_folders(case.settings) if f.stat().st_mode & OTHERS_WRITE]
    if exposed:
        names = ", ".join(map(str, exposed))
        told = f"other users may write to {names}, and have mlxd load what they put there"
        return warn(told, quoted("chmod", "go-w", *exposed))
    if secret := list(secret_files(case.settings)):
        told = f"{secret[0]} holds the token, and other users may read it"
        return warn(told, quoted("chmod", "600", secret[0]))
    return ok(f"{data}{'' if os.path.exists(data) else ' (not made yet)'}", default=_config())


def probe(index: str) -> int:
    """Every row of every table is reached; what is damaged raises."""
    from mlxd.desk.documents.lance import lancedb

    database = lancedb.connect(index)
    rows = 0
    for name in database.table_names():
        found = database.open_table(name).search().select(["id"]).to_arrow()
        rows += len(found)
    return rows


def _damaged_documents(case: Case) -> Finding | None:
    data = case.settings.data_dir
    for place in ("documents/documents.db", "documents/jobs.db", "agent/sessions.db"):
        if told := _damaged_database(data / place):
            # The databases and the index of documents belong together.
            return fail(f"{data / place} is damaged ({told})", _away((data / place).parent))
    index = (case.settings.documents.store or data / "documents") / "index"
    if not index.is_dir() or importlib.util.find_spec("lancedb") is None:
        return None
    answer = case.ask("folders:probe", {"index": str(index)}, limit_s=INDEX_S)
    if answer.value is not None or "no answer within" in answer.failure:
        return None
    told = answer.failure.splitlines()[0][:300]
    return fail(f"{index}, the index of documents, can't be read: {told}", _away(index.parent))


def _damaged_database(file: Path) -> str:
    """What SQLite says of it; of a large one, of its first pages."""
    import sqlite3

    if not file.is_file():
        return ""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if file.stat().st_size < CHECKED_WHOLE:
                (told,) = database.execute("PRAGMA quick_check(1)").fetchone()
                return "" if told == "ok" else str(told).splitlines()[-1]
    except sqlite3.OperationalError:
        return ""  # locked, or its folder may not be written: other findings say so
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def _away(path: Path) -> str:
    """Begun anew, and nothing is lost; whoever has it open has to end first."""
    return f"{ours('down')} && {quoted('mv', path, f'{path}.damaged')}"


def _damage(data: Path) -> str:
    from mlxd.supervisor.contract import NotKept
    from mlxd.supervisor.store import Store

    try:
        Store(data).assignments()
    except NotKept as error:
        return str(error)
    return ""


def _config() -> str:
    return str(default_config_file())


def _unwritable(folder: Path) -> Finding:
    if is_read_only(folder):
        return fail(f"{folder} is on a file system that is read-only", data_elsewhere())
    owner = folder.stat().st_uid
    if owner == os.getuid():
        return fail(f"{folder} can't be written", own_again(folder))
    told = f"{folder} can't be written: it belongs to user {owner}"
    return fail(told, own_again(folder), data_elsewhere())
