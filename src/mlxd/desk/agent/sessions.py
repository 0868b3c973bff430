"""Conversations as the client shows them: both sides of every turn, with their parts."""

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Message = dict[str, Any]

TITLE_CHARACTERS = 60
# A lock of another process, for example a backup's, is waited for so long.
BUSY_S = 5.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, named INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL, updated REAL NOT NULL, branched_from TEXT
);
CREATE TABLE IF NOT EXISTS messages (
    session TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
    place INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, words TEXT NOT NULL,
    PRIMARY KEY (session, place)
);
"""


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    title: str
    created: float
    updated: float
    branched_from: str | None = None
    messages: list[Message] | None = None
    # Whether an answer is being made there; not kept.
    answering: bool = False


class Sessions:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()
        self._db: sqlite3.Connection | None = None

    async def __aenter__(self) -> "Sessions":
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._lock:
            if self._db is not None:
                self._db.close()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._path, check_same_thread=False, timeout=BUSY_S)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.executescript(_SCHEMA)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction in a thread of its own: a slow disk stops no stream. Who leaves meanwhile
        does not cancel it, for the next one must not begin in the middle of it."""
        return await asyncio.shield(self._alone(work))

    async def _alone(self, work: Callable[[sqlite3.Connection], T]) -> T:
        assert self._db is not None
        db = self._db

        def run() -> T:
            with db:
                return work(db)

        async with self._lock:
            return await asyncio.to_thread(run)

    async def find(self, query: str = "", limit: int = 200) -> list[Session]:
        like = "%" + query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        sql = """SELECT id, title, created, updated, branched_from FROM sessions
                 WHERE title LIKE ?1 ESCAPE '\\' OR EXISTS (
                     SELECT 1 FROM messages WHERE session = sessions.id
                     AND words LIKE ?1 ESCAPE '\\')
                 ORDER BY updated DESC LIMIT ?2"""
        return await self._do(lambda db: [Session(*row) for row in db.execute(sql, (like, limit))])

    async def get(self, id: str) -> Session | None:
        return await self._do(lambda db: _read(db, id))

    async def create(self, title: str = "") -> Session:
        now = time.time()
        made = Session(_new_id(), title, now, now, None, [])
        await self._do(lambda db: _insert(db, made, named=bool(title)))
        return made

    async def rename(self, id: str, title: str) -> Session | None:
        sql = "UPDATE sessions SET title = ?, named = 1, updated = ? WHERE id = ?"
        await self._do(lambda db: db.execute(sql, (title, time.time(), id)))
        return await self.get(id)

    async def delete(self, id: str) -> bool:
        sql = "DELETE FROM sessions WHERE id = ?"
        return await self._do(lambda db: db.execute(sql, (id,)).rowcount > 0)

    async def branch(self, id: str, message_id: str) -> Session | None:
        """A new conversation with everything up to that message; None where there is no such."""

        def work(db: sqlite3.Connection) -> Session | None:
            found = _read(db, id)
            messages = (found.messages if found else None) or []
            ids = [message.get("id") for message in messages]
            if found is None or message_id not in ids:
                return None
            now = time.time()
            kept = messages[: ids.index(message_id) + 1]
            made = Session(_new_id(), found.title, now, now, id, kept)
            _insert(db, made, named=False)
            _replace(db, made.id, 0, kept)
            return made

        return await self._do(work)

    async def continued(self, id: str, messages: Sequence[Message]) -> list[Message]:
        """Take in what a client sends: the whole conversation, or only what is new of it; and give
        the conversation as that client sees it.

        Two clients may each hold a part of it, so what is new is added and takes nothing away. A
        last message that is known is asked again: the answer behind it goes, and where more would
        go than that, the conversation as it was is kept as a branch."""

        def work(db: sqlite3.Connection) -> list[Message]:
            kept = _read(db, id)
            now = time.time()
            if kept is None:
                kept = Session(id, _title(messages), now, now, None, [])
                _insert(db, kept, named=False)
            before = kept.messages or []
            ids = [one.get("id") for one in before]
            first = messages[0].get("id") if messages else None
            start = ids.index(first) if first in ids else len(before)
            if messages and messages[-1].get("id") in ids:
                place = ids.index(messages[-1].get("id"))
                if _more_than_an_answer(before, place, messages[-1]):
                    old = Session(_new_id(), kept.title, now, now, id, before)
                    _insert(db, old, named=False)
                    _replace(db, old.id, 0, before)
                after = _merged(before[:place], messages)
            else:
                after = _merged(before, messages)
            same = _same(before, after)
            _replace(db, id, same, after[same:])
            if not before:
                sql = "UPDATE sessions SET title = ? WHERE id = ? AND named = 0"
                db.execute(sql, (_title(messages), id))
            return [*before[:start], *messages]

        return await self._do(work)

    async def answered(self, id: str, question: str | None, answer: Message) -> None:
        """Keep an answer behind its question, whole or as far as it came, in place of an earlier
        one. What else was said meanwhile stays; what was deleted stays deleted; a question that
        was put into a branch meanwhile has its answer there."""

        def work(db: sqlite3.Connection) -> None:
            if _answered(db, id, question, answer):
                return
            sql = """SELECT sessions.id FROM sessions JOIN messages ON session = sessions.id
                     WHERE branched_from = ? AND messages.id = ? ORDER BY created DESC LIMIT 1"""
            gone = db.execute("SELECT 1 FROM sessions WHERE id = ?", (id,)).fetchone() is None
            branch = None if gone else db.execute(sql, (id, question)).fetchone()
            if branch is not None:
                _answered(db, branch[0], question, answer)

        await self._do(work)


def _more_than_an_answer(kept: list[Message], place: int, asked: Message) -> bool:
    """Whether asking this again would take away what somebody said."""
    changed = words(kept[place]) != words(asked)
    return changed or any(one.get("role") == "user" for one in kept[place + 1 :])


def _merged(kept: list[Message], sent: Sequence[Message]) -> list[Message]:
    """What was kept, and what of `sent` is new: the last at the end, the rest where it was said.
    What both have is as it was sent: of an answer that was stopped, a client may hold less."""
    kept = list(kept)
    places = {one.get("id"): n for n, one in enumerate(kept)}
    behind: dict[int, list[Message]] = {}
    at = len(kept) - 1
    for one in sent[:-1]:
        if one.get("id") in places:
            at = places[one.get("id")]
            kept[at] = one
        elif not (
            _is_answer(one) and at not in behind and any(map(_is_answer, kept[at + 1 : at + 2]))
        ):
            behind.setdefault(at, []).append(one)
        # Else this answer was made again elsewhere, and is not wanted any more.
    made = behind.get(-1, [])
    for n, one in enumerate(kept):
        made += [one, *behind.get(n, ())]
    return [*made, *sent[-1:]]


def _is_answer(message: Message) -> bool:
    return message.get("role") == "assistant"


def _ids(messages: Sequence[Message]) -> list[Any]:
    return [one.get("id") for one in messages]


def _same(a: list[Message], b: list[Message]) -> int:
    """How many of their first messages are the same."""
    pairs = zip(a, b, strict=False)
    return next((n for n, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def _answered(db: sqlite3.Connection, id: str, question: str | None, answer: Message) -> bool:
    found = _read(db, id)
    messages = (found.messages if found else None) or []
    if question not in _ids(messages):
        return False
    start = _ids(messages).index(question) + 1
    rest = messages[start:]
    if rest and _is_answer(rest[0]):
        rest = rest[1:]
    _replace(db, id, start, [answer, *rest])
    return True


def _new_id() -> str:
    return uuid.uuid4().hex


def _read(db: sqlite3.Connection, id: str) -> Session | None:
    sql = "SELECT id, title, created, updated, branched_from FROM sessions WHERE id = ?"
    row = db.execute(sql, (id,)).fetchone()
    if row is None:
        return None
    rows = db.execute("SELECT body FROM messages WHERE session = ? ORDER BY place", (id,))
    session = Session(*row)
    return msgspec.structs.replace(session, messages=[json.loads(body) for (body,) in rows])


def _insert(db: sqlite3.Connection, one: Session, *, named: bool) -> None:
    sql = "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)"
    db.execute(sql, (one.id, one.title, named, one.created, one.updated, one.branched_from))


def _replace(db: sqlite3.Connection, id: str, start: int, messages: Sequence[Message]) -> None:
    db.execute("DELETE FROM messages WHERE session = ? AND place >= ?", (id, start))
    rows = (
        (id, start + n, str(one.get("id", "")), json.dumps(one, ensure_ascii=False), words(one))
        for n, one in enumerate(messages)
    )
    db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", rows)
    db.execute("UPDATE sessions SET updated = ? WHERE id = ?", (time.time(), id))


def words(message: Message) -> str:
    """What is said in it: what a search looks through, and where a title comes from."""
    texts = (p.get("text", "") for p in message.get("parts", ()) if p.get("type") == "text")
    return "\n".join(texts)


def _title(messages: Sequence[Message]) -> str:
    said = next((words(one) for one in messages if one.get("role") == "user"), "")
    line = " ".join(said.split())
    if len(line) <= TITLE_CHARACTERS:
        return line
    return line[: TITLE_CHARACTERS - 1].rstrip() + "…"
