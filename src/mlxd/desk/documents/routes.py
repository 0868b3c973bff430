"""The room's HTTP face."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Literal

import anyio.to_thread
import msgspec
import sqlalchemy as sa
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from mlxd.desk.answers import Refused, answer, query, read_json

from . import events, uploads
from .kinds import SUFFIXES
from .ledger import Priority
from .search import Question, tags_of
from .store import document_tags, documents, jobs, parents
from .tagging import cleaned

if TYPE_CHECKING:
    from .room import Documents

MOST_UPLOADS = 1_000
MOST_LISTED = 1_000


class PathRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    path: str
    priority: Priority = "normal"
    tags: list[str] = []


class Listing(msgspec.Struct, frozen=True):
    limit: int = 100
    after: str | None = None
    tag: list[str] = []
    name: str | None = None
    source: str | None = None


class JobListing(msgspec.Struct, frozen=True):
    limit: int = 100
    state: list[str] = []
    document: str | None = None


class PriorityRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    priority: Priority


class Merge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rename is a merge of one."""

    tags: list[str]
    to: str


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tags: list[str]


class Faces:
    def __init__(self, room: "Documents") -> None:
        self._room = room

    def routes(self) -> list[Route]:
        return [
            Route("/documents", self.add, methods=["POST"]),
            Route("/documents", self.listing, methods=["GET"]),
            Route("/documents/types", self.types, methods=["GET"]),
            Route("/documents/{id}", self.show, methods=["GET"]),
            Route("/documents/{id}/tags", self.give_tags, methods=["POST"]),
            Route("/documents/{id}", self.remove, methods=["DELETE"]),
            Route("/documents/{id}/chunks", self.chunks, methods=["GET"]),
            Route("/documents/{id}/file", self.original, methods=["GET"]),
            Route("/documents/{id}/images/{revision}/{name}", self.image, methods=["GET"]),
            Route("/search", self.search, methods=["GET", "POST"]),
            Route("/tags", self.tags, methods=["GET"]),
            Route("/tags/merge", self.merge_tags, methods=["POST"]),
            Route("/jobs", self.jobs, methods=["GET"]),
            Route("/jobs/events/latest", self.latest, methods=["GET"]),
            Route("/jobs/events", self.events, methods=["GET"]),
            Route("/jobs/{id}", self.job, methods=["GET"]),
            Route("/jobs/{id}/events", self.events, methods=["GET"]),
            Route("/jobs/{id}/priority", self.priority, methods=["POST"]),
            *(
                Route(f"/jobs/{{id}}/{what}", getattr(self, what), methods=["POST"])
                for what in ("pause", "resume", "cancel", "retry")
            ),
        ]

    # --- documents -----------------------------------------------------------------------------

    async def add(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        more: dict[str, Any] = {}
        if kind == "multipart/form-data":
            taken = await self._uploads(request)
        elif kind == "application/json":
            wanted = await read_json(request, PathRequest)
            intake = self._room.intake
            taken, more["refused"] = await anyio.to_thread.run_sync(
                lambda: intake.from_path(wanted.path, wanted.priority, wanted.tags)
            )
        else:
            raise Refused(
                415,
                "Send files as multipart/form-data with the field file, or a path as JSON: "
                '{"path": "…"}.',
                code="unsupported_media_type",
            )
        status = 202 if any(one.what != "unchanged" for one in taken) else 200
        return answer({"documents": taken, **more}, status)

    async def _uploads(self, request: Request) -> list[Any]:
        async with uploads.form(request, files=MOST_UPLOADS) as form:
            files = [one for one in form.getlist("file") if isinstance(one, UploadFile)]
            if not files:
                raise Refused(400, "There is no file in the field file.", param="file")
            sources = [str(one) for one in form.getlist("source")]
            if sources and len(sources) != len(files):
                told = "There must be one source for each file, or none."
                raise Refused(400, told, param="source", code="invalid_value")
            priority = _priority(str(form.get("priority", "normal")))
            tags = [str(one) for one in form.getlist("tag")]
            taken = []
            for i, file in enumerate(files):
                source = sources[i] if sources else None
                name = file.filename or ""
                taken.append(
                    await anyio.to_thread.run_sync(
                        self._room.intake.take, file.file, name, source, priority, tags
                    )
                )
            return taken

    async def listing(self, request: Request) -> Response:
        wanted = query(request, Listing)
        limit = min(max(wanted.limit, 1), MOST_LISTED)

        def read() -> list[dict[str, Any]]:
            # The newest first: it is what was just added that is looked for.
            order = documents.c.added, documents.c.id
            chosen = sa.select(documents).order_by(*(one.desc() for one in order)).limit(limit)
            if wanted.after is not None:
                chosen = chosen.where(sa.tuple_(*order) < sa.tuple_(*_place(wanted.after)))
            if wanted.name is not None:
                chosen = chosen.where(documents.c.name == wanted.name)
            if wanted.source is not None:
                chosen = chosen.where(documents.c.source.startswith(wanted.source, autoescape=True))
            for tag in wanted.tag:
                tagged = sa.select(document_tags.c.document).where(document_tags.c.tag == tag)
                chosen = chosen.where(documents.c.id.in_(tagged))
            with self._room.store.reading() as connection:
                rows = [dict(row) for row in connection.execute(chosen).mappings()]
                tags = tags_of(connection, [row["id"] for row in rows])
            return [_document(row, tags.get(row["id"], [])) for row in rows]

        found = await anyio.to_thread.run_sync(read)
        following = None
        if len(found) == limit:
            following = f"{found[-1]['added']!r}_{found[-1]['id']}"
        return answer({"documents": found, "next": following})

    async def show(self, request: Request) -> Response:
        document = request.path_params["id"]
        row, tags = await anyio.to_thread.run_sync(self.row, document)
        theirs = await anyio.to_thread.run_sync(
            lambda: self._room.ledger.find(jobs.c.document == document, limit=10)
        )
        return answer({**_document(row, tags), "jobs": [job.shown() for job in theirs]})

    def row(self, document: str) -> tuple[dict[str, Any], list[str]]:
        chosen = sa.select(documents).where(documents.c.id == document)
        with self._room.store.reading() as connection:
            row = connection.execute(chosen).mappings().first()
            if row is None:
                raise _no_document(document)
            return dict(row), tags_of(connection, [document]).get(document, [])

    async def remove(self, request: Request) -> Response:
        document = request.path_params["id"]
        if not await anyio.to_thread.run_sync(self._room.intake.remove, document):
            raise _no_document(document)
        return answer({"id": document, "removed": True})

    async def chunks(self, request: Request) -> Response:
        document = request.path_params["id"]

        def read() -> dict[str, Any]:
            self.row(document)
            chosen = (
                sa.select(parents)
                .where(parents.c.document == document)
                .where(parents.c.revision == self.row(document)[0]["revision"])
                .order_by(parents.c.number)
            )
            with self._room.store.reading() as connection:
                rows = [dict(row) for row in connection.execute(chosen).mappings()]
            return {"parents": rows, "children": self._room.index.texts(document)}

        return answer(await anyio.to_thread.run_sync(read))

    async def original(self, request: Request) -> Response:
        row, _ = await anyio.to_thread.run_sync(self.row, request.path_params["id"])
        file = self._room.files.original(row["id"], row["revision"] or row["wanted"])
        if not file.exists():
            raise Refused(404, f"The file of {row['name']} is gone.", code="file_not_found")
        # Never as a page of ours: it may be HTML with scripts.
        return FileResponse(
            file,
            media_type="application/octet-stream",
            filename=row["name"],
            headers={"x-content-type-options": "nosniff"},
        )

    async def image(self, request: Request) -> Response:
        params = request.path_params
        row, _ = await anyio.to_thread.run_sync(self.row, params["id"])
        revision = row["revision"] or ""
        name = params["name"]
        file = self._room.files.images(row["id"], revision) / name
        known = revision[:8] == params["revision"] and name == file.name
        if not known or name.startswith(".") or not file.is_file():
            told = f"{row['name']} has no image {params['revision']}/{name}."
            raise Refused(404, told, code="file_not_found")
        return FileResponse(
            file, media_type="image/png", headers={"x-content-type-options": "nosniff"}
        )

    async def types(self, request: Request) -> Response:
        return answer({"suffixes": sorted(SUFFIXES)})

    # --- tags ----------------------------------------------------------------------------------

    async def tags(self, request: Request) -> Response:
        return answer({"tags": await anyio.to_thread.run_sync(self._room.tagging.counts)})

    async def merge_tags(self, request: Request) -> Response:
        wanted = await read_json(request, Merge)
        to = next(iter(cleaned([wanted.to])), "")
        if not to or not wanted.tags:
            raise Refused(400, "tags and to must not be empty.", param="to", code="invalid_value")
        merged = await anyio.to_thread.run_sync(self._room.tagging.merge, wanted.tags, to)
        return answer({"tag": to, "documents": merged})

    async def give_tags(self, request: Request) -> Response:
        document = request.path_params["id"]
        wanted = await read_json(request, Given)
        if not await anyio.to_thread.run_sync(self._room.tagging.give, document, wanted.tags):
            raise _no_document(document)
        return answer({"id": document, "tags": cleaned(wanted.tags)})

    # --- search --------------------------------------------------------------------------------

    async def search(self, request: Request) -> Response:
        if request.method == "GET":
            question = query(request, Question)
        else:
            question = await read_json(request, Question)
        return answer(await self._room.searching.find(question))

    # --- jobs ----------------------------------------------------------------------------------

    async def jobs(self, request: Request) -> Response:
        wanted = query(request, JobListing)
        where: list[Any] = []
        if wanted.state:
            where.append(jobs.c.state.in_(wanted.state))
        if wanted.document is not None:
            where.append(jobs.c.document == wanted.document)
        limit = min(max(wanted.limit, 1), MOST_LISTED)
        found = await anyio.to_thread.run_sync(lambda: self._room.ledger.find(*where, limit=limit))
        counts = await anyio.to_thread.run_sync(self._room.ledger.counts)
        return answer({"jobs": [job.shown() for job in found], "counts": counts})

    async def job(self, request: Request) -> Response:
        return answer((await self._job(request)).shown())

    async def _job(self, request: Request) -> Any:
        job = request.path_params["id"]
        found = await anyio.to_thread.run_sync(self._room.ledger.get, job)
        if found is None:
            raise Refused(404, f"There is no job {job}.", code="job_not_found")
        return found

    async def pause(self, request: Request) -> Response:
        return await self._moved(request, "pause")

    async def resume(self, request: Request) -> Response:
        return await self._moved(request, "resume")

    async def cancel(self, request: Request) -> Response:
        return await self._moved(request, "cancel")

    async def retry(self, request: Request) -> Response:
        return await self._moved(request, "retry")

    async def _moved(
        self, request: Request, what: Literal["pause", "resume", "cancel", "retry"]
    ) -> Response:
        job = await self._job(request)
        queue = self._room.jobs
        move = {
            "pause": lambda: queue.pause(job.id),
            "resume": lambda: queue.again(job.id, "paused"),
            "cancel": lambda: queue.cancel(job.id),
            "retry": lambda: self._retry(job.id, job.document, job.revision),
        }[what]
        if not await anyio.to_thread.run_sync(move):
            raise Refused(
                409,
                f"Job {job.id} is {job.state}, so there is nothing to {what}.",
                code="wrong_state",
            )
        return answer((await self._job(request)).shown())

    def _retry(self, job: str, document: str | None, revision: str | None) -> bool:
        if document is not None:
            row, _ = self.row(document)
            if row["wanted"] != revision:
                told = "The document has a newer version, with a job of its own."
                raise Refused(409, told, code="wrong_state")
        return self._room.jobs.again(job, "failed", "cancelled")

    async def priority(self, request: Request) -> Response:
        wanted = await read_json(request, PriorityRequest)
        job = await self._job(request)
        room = self._room
        moved = await anyio.to_thread.run_sync(
            lambda: (
                room.jobs.again(job.id, "queued", priority=wanted.priority)
                or room.ledger.prefer(job.id, wanted.priority)
            )
        )
        if not moved:
            told = f"Job {job.id} is {job.state}; only those that wait are moved."
            raise Refused(409, told, code="wrong_state")
        return answer((await self._job(request)).shown())

    async def latest(self, request: Request) -> Response:
        return answer({"change": await anyio.to_thread.run_sync(self._room.ledger.latest)})

    async def events(self, request: Request) -> Response:
        given = request.headers.get("last-event-id", request.query_params.get("after", "0"))
        after = int(given) if given.isdigit() else 0
        job = (await self._job(request)).id if "id" in request.path_params else None
        room = self._room

        async def body() -> AsyncIterator[bytes]:
            async for piece in events.stream(
                room.ledger, room.bell, after, job=job, stopping=room.stopping
            ):
                yield piece

        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(body(), media_type="text/event-stream", headers=headers)


def _document(row: dict[str, Any], tags: list[str]) -> dict[str, Any]:
    shown = {key: row[key] for key in ("id", "name", "source", "type", "bytes", "title", "added")}
    indexed = row["indexed"]
    current = row["revision"] == row["wanted"]
    shown["revision"] = row["wanted"]
    return {**shown, "pages": row["pages"], "indexed": indexed, "current": current, "tags": tags}


def _place(after: str) -> tuple[float, str]:
    added, _, id = after.partition("_")
    try:
        return float(added), id
    except ValueError:
        told = "after: expected what `next` was of the page before."
        raise Refused(400, told, param="after", code="invalid_value") from None


def _no_document(document: str) -> Refused:
    return Refused(404, f"There is no document {document}.", code="document_not_found")


def _priority(text: str) -> Priority:
    try:
        converted: Priority = msgspec.convert(text, Priority)
    except msgspec.ValidationError:
        told = f"priority is {text!r}: expected high, normal or low."
        raise Refused(400, told, param="priority", code="invalid_value") from None
    return converted
