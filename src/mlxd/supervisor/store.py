"""What must outlive the gateway: which model has which capability, and what was confirmed of it.

One small SQLite file. A connection is opened for each operation and closed after it, so nothing is
held between them, and a transaction is either there whole or not at all.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from .contract import NotKept

# How long another writer may hold the database; longer than any of our own transactions takes.
BUSY_S = 2.0
_TABLES = """
CREATE TABLE IF NOT EXISTS assignment (
    capability TEXT PRIMARY KEY, model TEXT, path TEXT, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS confirmation (
    model TEXT, capability TEXT, confirmed INTEGER NOT NULL, detail TEXT NOT NULL,
    seconds REAL NOT NULL, at REAL NOT NULL, versions TEXT NOT NULL,
    PRIMARY KEY (model, capability)
);
CREATE TABLE IF NOT EXISTS peak (
    model TEXT PRIMARY KEY, size INTEGER NOT NULL, bytes INTEGER NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS served (names TEXT NOT NULL);
"""


# Of these tables. A file of an older one is brought up to it, a newer one is left alone.
_SCHEMA = 1
_NEWER = "written by a newer mlxd"


class Assigned(msgspec.Struct, frozen=True):
    """`model` None: cleared by someone, which is kept too. `path` finds a folder again that no
    setting names any more."""

    capability: str
    model: str | None
    path: str | None = None


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking the model itself. `at` is seconds since 1970."""

    model_id: str
    capability: str
    confirmed: bool
    detail: str
    seconds: float
    at: float
    versions: dict[str, str] = {}


class Store:
    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "mlxd.db"
        # Why the last change could not be written down; empty once one could again.
        self.trouble = ""

    def assignments(self) -> dict[str, Assigned]:
        rows = self._read("SELECT capability, model, path FROM assignment")
        return {row[0]: Assigned(*row) for row in rows}

    def assign(self, changes: Sequence[Assigned]) -> None:
        with self._write() as database:
            for one in changes:
                database.execute(
                    "INSERT OR REPLACE INTO assignment (capability, model, path, at)"
                    " VALUES (?, ?, ?, ?)",
                    (one.capability, one.model, one.path, time.time()),
                )

    def served(self) -> list[str]:
        """The models that settings and flags named at the last start."""
        rows = self._read("SELECT names FROM served")
        return msgspec.json.decode(rows[0][0], type=list[str]) if rows else []

    def begin(self, served: Sequence[str], forget: Sequence[str]) -> None:
        """Another list of models than last time: assignments that it decides are forgotten."""
        with self._write() as database:
            database.execute("DELETE FROM served")
            names = msgspec.json.encode(list(served)).decode()
            database.execute("INSERT INTO served (names) VALUES (?)", (names,))
            database.executemany(
                "DELETE FROM assignment WHERE capability = ?", [(one,) for one in forget]
            )

    def peaks(self) -> dict[tuple[str, int], int]:
        """What engines used at most when they last ran, by model and size of its weights: other
        weights under the same name are another model."""
        rows = self._read("SELECT model, size, bytes FROM peak")
        return {(model, size): used for model, size, used in rows}

    def note_peaks(self, peaks: Mapping[tuple[str, int], int]) -> None:
        rows = [(model, size, used, time.time()) for (model, size), used in peaks.items()]
        with self._write() as database:
            database.executemany(
                "INSERT OR REPLACE INTO peak (model, size, bytes, at) VALUES (?, ?, ?, ?)", rows
            )

    def confirmations(self) -> list[Confirmation]:
        rows = self._read(
            "SELECT model, capability, confirmed, detail, seconds, at, versions FROM confirmation"
        )
        return [
            Confirmation(
                model_id=model,
                capability=capability,
                confirmed=bool(confirmed),
                detail=detail,
                seconds=seconds,
                at=at,
                versions=msgspec.json.decode(versions, type=dict[str, str]),
            )
            for model, capability, confirmed, detail, seconds, at, versions in rows
        ]

    def confirm(self, one: Confirmation) -> None:
        versions = msgspec.json.encode(one.versions).decode()
        row = (one.model_id, one.capability, one.confirmed, one.detail, one.seconds, one.at)
        with self._write() as database:
            database.execute(
                "INSERT OR REPLACE INTO confirmation"
                " (model, capability, confirmed, detail, seconds, at, versions)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*row, versions),
            )

    def _read(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        try:
            # Raises where its folder is another user's.
            if not self.path.exists():
                return []
            with contextlib.closing(self._connect()) as database:
                return database.execute(query).fetchall()
        except (sqlite3.Error, OSError) as error:
            if "no such table" in str(error):
                return []
            if "no such column" in str(error):
                with self._write() as database:
                    return database.execute(query).fetchall()
            raise self._explained(error, "read") from error

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(self._connect()) as database:
                _bring_up(database)
                with database:
                    yield database
            self.trouble = ""
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error, "written") from error

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=BUSY_S)
        try:
            schema = _schema_of(database)
            if schema > _SCHEMA:
                raise sqlite3.DatabaseError(f"{_NEWER}, schema {schema}")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _explained(self, error: Exception, what: str) -> NotKept:
        text = str(error)
        if "locked" in text:
            advice = "another program holds it; end that, or ask again"
        elif "full" in text or "No space" in text:
            advice = "the disk is full; make room there and ask again"
        elif _NEWER in text:
            advice = "use that one, or move the file away to begin with an empty one"
        elif "not a database" in text or "malformed" in text:
            advice = "it is damaged; move it away to begin with an empty one"
        else:
            advice = "its folder must be there and writable"
        self.trouble = f"{self.path} can't be {what} ({text}): {advice}."
        return NotKept(f"{self.trouble} Nothing was changed.")


def _schema_of(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _bring_up(database: sqlite3.Connection) -> None:
    """Tables and columns that an older mlxd did not know are added; what it wrote stays."""
    if _schema_of(database) == _SCHEMA:
        return
    database.executescript(_TABLES)
    with contextlib.closing(sqlite3.connect(":memory:")) as wanted:
        wanted.executescript(_TABLES)
        tables = wanted.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            there = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            for _, column, kind, required, *_ in wanted.execute(f"PRAGMA table_info({table})"):
                if column not in there:
                    # NULL is what most of them mean by "unknown"; the others can't have it.
                    empty = "''" if kind == "TEXT" else "0"
                    more = f" NOT NULL DEFAULT {empty}" if required else ""
                    database.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}{more}")
    database.execute(f"PRAGMA user_version = {_SCHEMA}")
