"""Jobs as rows: what each is about, how far it is, why it stands still."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from .store import Store, jobs, now

State = Literal["queued", "running", "waiting", "paused", "done", "failed", "cancelled"]
Priority = Literal["high", "normal", "low"]
# Those that go on by themselves.
UNFINISHED = ("queued", "running", "waiting")
OVER = ("done", "failed", "cancelled")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    kind: str
    document: str | None
    name: str
    revision: str | None
    state: State
    reason: str | None
    code: str | None
    waits_for: str | None
    step: str | None
    done: int
    total: int | None
    priority: Priority
    attempt: int
    worker: str | None
    created: float
    started: float | None
    finished: float | None
    worked: float
    change: int

    def shown(self) -> dict[str, Any]:
        """As clients see it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "document": self.document,
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "code": self.code,
            "step": self.step,
            "done": self.done,
            "total": self.total,
            "seconds_left": self._left(),
            "priority": self.priority,
            "attempt": self.attempt,
            "worker": self.worker,
            "created": self.created,
            "started": self.started,
            "finished": self.finished,
        }

    def _left(self) -> float | None:
        if self.state != "running" or not self.done or not self.total or not self.worked:
            return None
        return round(self.worked / self.done * (self.total - self.done), 1)


class Ledger:
    """`changed` is told after every change, from whatever thread made it."""

    def __init__(self, store: Store, changed: Callable[[], None]) -> None:
        self._store = store
        self._changed = changed

    def add(
        self, connection: sa.Connection, *, kind: str, name: str, priority: Priority, **more: Any
    ) -> str:
        """Within the transaction of what it is about; `announce` once that is committed."""
        made: str = more.pop("id", secrets.token_hex(8))
        connection.execute(
            sa.insert(jobs).values(
                id=made,
                kind=kind,
                name=name,
                priority=priority,
                state="queued",
                created=now(),
                change=self._store.change(connection),
                **more,
            )
        )
        return made

    def exists(self, connection: sa.Connection, job: str) -> bool:
        return connection.execute(sa.select(jobs.c.id).where(jobs.c.id == job)).first() is not None

    def announce(self) -> None:
        self._changed()

    def latest(self) -> int:
        chosen = sa.select(sa.func.coalesce(sa.func.max(jobs.c.change), 0))
        with self._store.reading() as connection:
            return int(connection.execute(chosen).scalar_one())

    def get(self, job: str) -> Job | None:
        with self._store.reading() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == job)).mappings().first()
        return None if row is None else Job(**row)

    def find(self, *where: Any, limit: int = 100, newest: bool = True) -> list[Job]:
        order = jobs.c.created.desc() if newest else jobs.c.change
        chosen = sa.select(jobs).where(*where).order_by(order, jobs.c.id).limit(limit)
        with self._store.reading() as connection:
            return [Job(**row) for row in connection.execute(chosen).mappings()]

    def count(self, states: Sequence[str]) -> int:
        counted = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state.in_(states))
        with self._store.reading() as connection:
            return int(connection.execute(counted).scalar_one())

    def counts(self) -> dict[str, int]:
        counted = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
        with self._store.reading() as connection:
            return {str(state): int(number) for state, number in connection.execute(counted)}

    def begin(self, job: str, attempt: int, worker: str | None = None) -> Job | None:
        """None when this attempt is not the one that should run any more."""
        mine = (jobs.c.id == job) & (jobs.c.attempt == attempt)
        runnable = jobs.c.state.in_(("queued", "running"))
        started = sa.func.coalesce(jobs.c.started, now())
        values = {"state": "running", "started": started, "reason": None, "worker": worker}
        moved = self._update(mine & runnable, **values)
        return self.get(job) if moved else None

    def wanted(self, job: str, attempt: int) -> bool:
        mine = (jobs.c.id == job) & (jobs.c.attempt == attempt) & (jobs.c.state == "running")
        with self._store.reading() as connection:
            return connection.execute(sa.select(jobs.c.id).where(mine)).first() is not None

    def progress(
        self, job: str, attempt: int, step: str, done: int, total: int, worked: float = 0.0
    ) -> None:
        mine = (jobs.c.id == job) & (jobs.c.attempt == attempt) & (jobs.c.state == "running")
        spent = jobs.c.worked + worked
        self._update(mine, step=step, done=done, total=total, worked=spent)

    def finish(self, connection: sa.Connection, job: str, attempt: int) -> bool:
        """Within the transaction of what it has made; `announce` once that is committed."""
        mine = (jobs.c.id == job) & (jobs.c.attempt == attempt) & (jobs.c.state == "running")
        values = {"state": "done", "finished": now(), "step": None, "reason": None, "code": None}
        change = self._store.change(connection)
        made = sa.update(jobs).where(mine).values(**values, done=jobs.c.total, change=change)
        return connection.execute(made).rowcount > 0

    def fail(self, job: str, attempt: int, code: str, reason: str) -> None:
        mine = (jobs.c.id == job) & (jobs.c.attempt == attempt) & (jobs.c.state == "running")
        self._update(mine, state="failed", finished=now(), code=code, reason=reason)

    def wait(self, job: str, attempt: int, waits_for: str, reason: str) -> None:
        mine = (jobs.c.id == job) & (jobs.c.attempt == attempt) & (jobs.c.state == "running")
        self._update(mine, state="waiting", waits_for=waits_for, reason=reason)

    def again(self, job: str, states: Sequence[str], **more: Any) -> Job | None:
        """Another attempt, from one of these states; None when it is in none of them."""
        allowed = (jobs.c.id == job) & jobs.c.state.in_(states)
        moved = self._update(
            allowed,
            state="queued",
            attempt=jobs.c.attempt + 1,
            reason=None,
            code=None,
            waits_for=None,
            finished=None,
            **more,
        )
        return self.get(job) if moved else None

    def hold(self, job: str) -> bool:
        allowed = (jobs.c.id == job) & jobs.c.state.in_(UNFINISHED)
        return self._update(allowed, state="paused", reason="paused by request")

    def prefer(self, job: str, priority: Priority) -> bool:
        """Of a job that is not in the queue: it counts once it is."""
        out = (jobs.c.id == job) & jobs.c.state.in_(("waiting", "paused"))
        return self._update(out, priority=priority)

    def cancel(self, job: str, reason: str) -> bool:
        allowed = (jobs.c.id == job) & jobs.c.state.not_in(OVER)
        return self._update(allowed, state="cancelled", finished=now(), reason=reason)

    def cancel_of(self, connection: sa.Connection, document: str, reason: str) -> list[str]:
        """All unfinished jobs of a document, within the transaction that makes them pointless."""
        theirs = (jobs.c.document == document) & jobs.c.state.not_in(OVER)
        found = [row[0] for row in connection.execute(sa.select(jobs.c.id).where(theirs))]
        if found:
            values = {"state": "cancelled", "finished": now(), "reason": reason}
            change = self._store.change(connection)
            connection.execute(sa.update(jobs).where(theirs).values(**values, change=change))
        return found

    def _update(self, where: Any, **values: Any) -> bool:
        with self._store.writing() as connection:
            values["change"] = self._store.change(connection)
            moved = connection.execute(sa.update(jobs).where(where).values(**values)).rowcount > 0
        if moved:
            self._changed()
        return moved
