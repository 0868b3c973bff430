"""The room of documents: its parts, put together."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import sqlalchemy as sa
from starlette.routing import Route

from mlxd.desk.config import Config
from mlxd.desk.models import Models

from . import uploads
from .describe import Describer
from .events import Bell
from .files import Files, write
from .flows import Flows
from .index import Index
from .intake import Intake
from .jobs import Jobs
from .ledger import UNFINISHED, Job, Ledger
from .publish import Publisher
from .reading import Reading
from .routes import Faces
from .search import Search
from .store import Store, sqlite_url
from .tagging import Tagging
from .transcribe import Transcriber
from .vectors import Vectoriser
from .viewing import Viewing
from .workers import BEAT_S, Workers

# Texts that came while the model could not answer have no vectors yet.
LOOK_FOR_VECTORS_S = 60.0

log = logging.getLogger(__name__)

__all__ = ["Documents"]


class Documents:
    """`say` tells the gateway whether there is work."""

    def __init__(self, config: Config, models: Models, say: Callable[..., None]) -> None:
        self._config = config
        self._models = models
        self._say = say
        self._faces = Faces(self)
        self._transcriber = Transcriber(config, models)
        self._viewing = Viewing(
            lambda: self.files, config.documents, lambda id: self._faces.row(id)[0]
        )
        self._embedding: str | None = None
        self._look_again = 0.0
        self._watching: list[asyncio.Task[None]] = []
        self._workers: Workers | None = None
        self.stopping: Callable[[], bool] = lambda: False

    def routes(self) -> list[Route]:
        return [
            *self._faces.routes(),
            *self._viewing.routes(),
            *self._transcriber.routes(),
        ]

    async def __aenter__(self) -> "Documents":
        config = self._config
        url = config.documents.database
        folder = config.folder
        folder.mkdir(parents=True, exist_ok=True)
        self.bell = Bell()
        self.store = Store(url or sqlite_url(folder / "documents.db"))
        self.files = Files(config.store)
        uploads.come_to(self.files.incoming)
        self.index = Index(config.store / "index", shared=url is not None)
        self.ledger = Ledger(self.store, self._changed)
        self.vectoriser = Vectoriser(self._models, self.index, self.store, self.ledger)
        self.tagging = Tagging(self._models, self.store, self.ledger)
        self.publisher = Publisher(self.store, self.files, self.index, self.ledger, self._published)
        self.searching = Search(self.store, self.index, self.vectoriser)
        reading = Reading(config, self.files, Describer(self._models))
        flows = Flows(config, reading, self.publisher, self.vectoriser, self.tagging)
        executor = _executor(folder)
        self.jobs = Jobs(
            config,
            url or sqlite_url(folder / "jobs.db"),
            executor,
            self.ledger,
            self._models,
            flows.all(),
        )
        self.intake = Intake(
            config.documents, self.store, self.files, self.ledger, self.jobs, self.publisher
        )
        await asyncio.to_thread(self.jobs.launch)
        await asyncio.to_thread(self.jobs.reconcile)
        self._watching = [
            asyncio.create_task(self.jobs.watch(self._assigned), name="what jobs wait for"),
            asyncio.create_task(self._report(), name="report"),
        ]
        if url is not None:
            self._workers = Workers(self.store, executor, self.jobs.recover)
            self._watching.append(asyncio.create_task(self._beat(), name="heartbeat"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        if self._workers is not None:
            await asyncio.to_thread(self._workers.leave)

    async def _beat(self) -> None:
        assert self._workers is not None
        while True:
            try:
                await asyncio.to_thread(self._workers.beat)
            except Exception:
                # The database is away; others may take over, and what was done is in files.
                log.exception("the heartbeat could not be written")
            await asyncio.sleep(BEAT_S)

    def _assigned(self, models: Mapping[str, str | None]) -> None:
        """Vectors are made as soon as there is a model for them, and later for what came without
        one."""
        model = models.get("embedding")
        now = time.monotonic()
        if model is None or (model == self._embedding and now < self._look_again):
            self._embedding = model
            return
        self._embedding, self._look_again = model, now + LOOK_FOR_VECTORS_S
        job = self.vectoriser.order(model)
        if job is not None:
            self.jobs.enqueue_by_id(job)

    def _published(self, connection: sa.Connection, job: Job) -> None:
        if self._config.documents.tags:
            self.tagging.order(connection, job)

    def _changed(self) -> None:
        self.bell.ring()

    async def _report(self) -> None:
        """Tells the gateway, and the next gateway, whether there is work."""
        unfinished = self._config.folder / "unfinished"
        told: int | None = None
        while True:
            left = await asyncio.to_thread(self.ledger.count, UNFINISHED)
            if left and not unfinished.exists():
                write(unfinished, b"")
            elif not left:
                unfinished.unlink(missing_ok=True)
            if told is None or (left > 0) != (told > 0):
                await asyncio.to_thread(self.jobs.hurry, left > 0)
            if left != told:
                told = left
                self._say(busy=left > 0, jobs=left)
            await self.bell.heard(60.0)


def _executor(folder: Path) -> str:
    """Who runs jobs, the same from one start to the next: what was under way is taken up again."""
    file = folder / "executor"
    if not file.exists():
        write(file, secrets.token_hex(8).encode())
    return file.read_text(encoding="ascii")
