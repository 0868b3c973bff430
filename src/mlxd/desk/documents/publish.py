"""What a job has made becomes what searches find. One thread writes to the index, for all documents
that are ready at the time: a commit costs the same for one as for many."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import sqlalchemy as sa

from mlxd.desk.models import Vector

from .files import Files
from .index import Index, Row
from .ledger import Job, Ledger
from .pieces import Child, Parent, Survey, parent_id
from .store import Store, documents, now, parents
from .words import indexed

log = logging.getLogger(__name__)

# Documents that go into one commit.
TOGETHER = 32
# So long nothing has come: time for upkeep.
QUIET_S = 2.0


class Ready(NamedTuple):
    """`vectors` in the order of `children`, or None where there is no model for them."""

    job: Job
    survey: Survey
    parents: Sequence[Parent]
    children: Sequence[Child]
    vectors: Sequence[Vector] | None


class _Removal(NamedTuple):
    document: str


class Publisher:
    """`after`: what else is to be written down with a document that is found from now on."""

    def __init__(
        self,
        store: Store,
        files: Files,
        index: Index,
        ledger: Ledger,
        after: Callable[[sa.Connection, Job], None],
    ) -> None:
        self._after = after
        self._store = store
        self._files = files
        self._index = index
        self._ledger = ledger
        self._waiting: queue.SimpleQueue[tuple[Ready | _Removal, Future[bool]]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._run, name="publisher", daemon=True).start()

    def publish(self, ready: Ready) -> bool:
        """False when it is no longer wanted."""
        return self._put(ready).result()

    def remove(self, document: str) -> None:
        """From the index and the disk; the store has forgotten it already."""
        self._put(_Removal(document)).result()

    def _put(self, what: Ready | _Removal) -> "Future[bool]":
        over: Future[bool] = Future()
        self._waiting.put((what, over))
        return over

    def _run(self) -> None:
        since = time.monotonic()
        while True:
            try:
                batch = [self._waiting.get(timeout=QUIET_S)]
            except queue.Empty:
                if self._keep_up(time.monotonic() - since):
                    since = time.monotonic()
                continue
            since = time.monotonic()
            while len(batch) < TOGETHER:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            self._handle(batch)

    def _keep_up(self, quiet: float) -> bool:
        """Whether it was due, and tried."""
        due = False
        try:
            due = self._index.needs_upkeep(quiet)
            if due:
                self._index.keep_up()
        except Exception:
            # It is tried again in the next quiet time; until then searches are slower.
            log.exception("the index's upkeep")
        return due

    def _handle(self, batch: "list[tuple[Ready | _Removal, Future[bool]]]") -> None:
        removals = [(one, over) for one, over in batch if isinstance(one, _Removal)]
        ready = [(one, over) for one, over in batch if isinstance(one, Ready)]
        try:
            # A document's new revision may be right behind its old one.
            for part in _apart(ready):
                wanted = self._write([one for one, _ in part])
                self._ledger.announce()
                for one, over in part:
                    over.set_result(one.job.id in wanted)
            for removal, over in removals:
                self._index.delete([removal.document])
                self._files.remove(removal.document)
                over.set_result(True)
        except Exception as error:
            # Whoever waits for it decides; the thread has to go on for the others.
            log.exception("publishing")
            for _, over in batch:
                if not over.done():
                    over.set_exception(error)

    def _write(self, ready: Sequence[Ready]) -> set[str]:
        with self._store.writing() as connection:
            wanted = [one for one in ready if self._wanted(connection, one)]
            for one in wanted:
                self._put_parents(connection, one)
            if not self._store.sqlite:
                # Held until the commit below: another machine may be about to publish it too.
                return self._swap(connection, wanted)
        # One process, one publishing thread: the lock need not be held while the index writes.
        self._index_rows(wanted)
        with self._store.writing() as connection:
            return self._settle(connection, wanted)

    def _swap(self, connection: sa.Connection, wanted: Sequence[Ready]) -> set[str]:
        self._index_rows(wanted)
        return self._settle(connection, wanted)

    def _wanted(self, connection: sa.Connection, one: Ready) -> bool:
        assert one.job.document is not None
        self._store.lock(connection, one.job.document)
        chosen = sa.select(documents.c.wanted).where(documents.c.id == one.job.document)
        return connection.execute(chosen).scalar() == one.job.revision

    def _put_parents(self, connection: sa.Connection, one: Ready) -> None:
        job = one.job
        mine = (parents.c.document == job.document) & (parents.c.revision == job.revision)
        connection.execute(sa.delete(parents).where(mine))
        rows = [
            {
                "id": parent_id(job.document, job.revision, parent.number),
                "document": job.document,
                "revision": job.revision,
                "number": parent.number,
                "kind": parent.kind,
                "page": parent.page,
                "box": list(parent.box) if parent.box else None,
                "image": parent.image,
                "text": parent.text,
            }
            for parent in one.parents
        ]
        if rows:
            connection.execute(sa.insert(parents), rows)

    def _index_rows(self, wanted: Sequence[Ready]) -> None:
        if not wanted:
            return
        rows = [row for one in wanted for row in self._rows(one)]
        self._index.replace([str(one.job.document) for one in wanted], rows)

    def _rows(self, one: Ready) -> list[Row]:
        kinds = {parent.number: parent.kind for parent in one.parents}
        made = []
        for i, child in enumerate(one.children):
            parent = parent_id(one.job.document, one.job.revision, child.parent)
            made.append(
                Row(
                    id=f"{parent}:{child.number:04d}",
                    document=str(one.job.document),
                    parent=parent,
                    why=child.why,
                    kind=kinds[child.parent],
                    type=one.survey.kind,
                    added=now(),
                    text=child.text,
                    words=indexed(child.text),
                    vector=None if one.vectors is None else one.vectors[i],
                )
            )
        return made

    def _settle(self, connection: sa.Connection, wanted: Sequence[Ready]) -> set[str]:
        """What was written is what counts now; what it has replaced goes."""
        settled: set[str] = set()
        for one in wanted:
            job = one.job
            kept = (documents.c.id == job.document) & (documents.c.wanted == job.revision)
            values = {
                "revision": job.revision,
                "type": one.survey.kind,
                "pages": one.survey.pages,
                "paged": one.survey.paged,
                "title": one.survey.title,
                "indexed": now(),
            }
            if connection.execute(sa.update(documents).where(kept).values(**values)).rowcount:
                settled.add(job.id)
                self._ledger.finish(connection, job.id, job.attempt)
                self._after(connection, job)
                self._files.done(str(job.document), str(job.revision))
                stale = (parents.c.document == job.document) & (parents.c.revision != job.revision)
                connection.execute(sa.delete(parents).where(stale))
            else:
                # It was removed, or replaced by something newer that comes next, in between.
                self._index.delete([str(job.document)])
        return settled


def _apart(
    ready: "list[tuple[Ready, Future[bool]]]",
) -> "list[list[tuple[Ready, Future[bool]]]]":
    """In groups that name no document twice, in order."""
    groups: list[list[tuple[Ready, Future[bool]]]] = []
    for one in ready:
        if not groups or any(one[0].job.document == other[0].job.document for other in groups[-1]):
            groups.append([])
        groups[-1].append(one)
    return groups
