"""`POST /ocr`: the text of a picture or PDF, for itself. Nothing of it is kept."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from mlxd.desk.answers import Refused, answer
from mlxd.desk.config import Config
from mlxd.desk.models import Failed, Lacking, Models, Unavailable

from . import uploads
from .kinds import recognise
from .ocr import Line, Reader, Sheet
from .parse import Extraction, extract
from .pieces import Page, Survey, Unreadable, page_file

Form = Literal["text", "markdown", "json"]
Told = Callable[[dict[str, int]], None]
_Folder = tempfile.TemporaryDirectory[str]
_ORIGINAL = "original"


class Transcriber:
    def __init__(self, config: Config, models: Models) -> None:
        self._limits = config.documents
        self._reader = Reader(models)

    def routes(self) -> list[Route]:
        return [Route("/ocr", self.read, methods=["POST"])]

    async def read(self, request: Request) -> Response:
        # Gone with the last who needs it, also where nobody waits for the answer any more.
        folder = tempfile.TemporaryDirectory(prefix="ocr-")
        async with uploads.form(request, files=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Refused(400, "There is no file in the field file.", param="file")
            wanted = _form(str(form.get("format", "json")))
            name = file.filename or "file"
            every = str(form.get("every_page", "")).lower() in ("1", "true", "yes", "on")
            await asyncio.to_thread(uploads.keep, file.file, Path(folder.name, _ORIGINAL))
        if "text/event-stream" in request.headers.get("accept", ""):
            headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
            stream = self._events(folder, name, wanted, every)
            return StreamingResponse(stream, media_type="text/event-stream", headers=headers)
        sheets = await self._sheets(folder, name, every, lambda progress: None)
        if wanted == "json":
            return answer(shown(name, sheets))
        kind = "text/markdown" if wanted == "markdown" else "text/plain"
        return Response(written(sheets, wanted), media_type=f"{kind}; charset=utf-8")

    async def _events(
        self, folder: _Folder, name: str, wanted: Form, every: bool
    ) -> AsyncIterator[bytes]:
        """How far it is, and then the result; leaving ends the work."""
        told: asyncio.Queue[dict[str, int] | None] = asyncio.Queue()
        working = asyncio.create_task(self._sheets(folder, name, every, told.put_nowait))
        working.add_done_callback(lambda task: told.put_nowait(None))
        try:
            while (progress := await told.get()) is not None:
                yield b"event: progress\ndata: %b\n\n" % msgspec.json.encode(progress)
            try:
                sheets = working.result()
            except Refused as error:
                refused = {"message": str(error), "code": error.code}
                yield b"event: error\ndata: %b\n\n" % msgspec.json.encode({"error": refused})
                return
            made = {**shown(name, sheets), "text": written(sheets, wanted)}
            yield b"event: result\ndata: %b\n\n" % msgspec.json.encode(made)
        finally:
            working.cancel()

    async def _sheets(
        self, kept: _Folder, name: str, every: bool, told: Told
    ) -> list[tuple[Page, Sheet]]:
        with kept as folder:
            try:
                survey, pages = await asyncio.to_thread(self._parsed, Path(folder), name, every)
                made = []
                for page in pages:
                    told({"page": page.number, "pages": survey.pages, "done": 0, "total": 1})
                    made.append((page, await self._page(Path(folder), survey, page, told)))
            except Unreadable as error:
                raise Refused(400, str(error), param="file", code=error.code) from error
            except Lacking as error:
                raise Refused(503, str(error), code="model_not_found") from error
            except Unavailable as error:
                raise Refused(503, str(error), code="engine_unavailable") from error
            except Failed as error:
                raise Refused(502, str(error), code="model_failed") from error
        return made

    def _parsed(self, folder: Path, name: str, every: bool) -> tuple[Survey, list[Page]]:
        file = folder / _ORIGINAL
        kind = recognise(file, name)
        if kind.parser not in ("pdf", "picture"):
            told = f"{name} is {kind.name}; pictures and PDFs have text to be read by a model."
            raise Unreadable("unsupported_file", told)
        limits = self._limits
        request = Extraction(
            file=str(file),
            name=name,
            parser=kind.parser,
            out=str(folder / "out"),
            images=str(folder / "images"),
            page_limit=limits.page_limit,
            pixel_limit=limits.pixel_limit,
            unpacked_limit=limits.unpacked_limit,
            image_side=limits.image_side,
            memory=limits.parse_memory,
            seconds=limits.parse_timeout,
            every_page=every,
        )
        survey = extract(request, lambda: False)
        assert survey is not None
        numbers = range(1, survey.pages + 1)
        files = [folder / "out" / page_file(number) for number in numbers]
        return survey, [msgspec.json.decode(one.read_bytes(), type=Page) for one in files]

    async def _page(self, folder: Path, survey: Survey, page: Page, told: Told) -> Sheet:
        """From the file where it has text, by the model where it is a picture."""
        picture = page.picture
        if picture is None and survey.kind != "pdf":
            picture = next((one.image for one in page.blocks if one.kind == "image"), None)
        if picture is None:
            return Sheet([Line(one.text, _whole(one.box)) for one in page.blocks if one.text])

        def progress(done: int, total: int) -> None:
            told({"page": page.number, "pages": survey.pages, "done": done, "total": total})

        return await self._reader.read(folder / "images" / picture, progress)


def shown(name: str, sheets: list[tuple[Page, Sheet]]) -> dict[str, Any]:
    return {
        "name": name,
        "pages": [
            {"number": page.number, "text": sheet.text, "lines": sheet.lines}
            for page, sheet in sheets
        ],
    }


def written(sheets: list[tuple[Page, Sheet]], form: Form) -> str:
    if form == "markdown":
        marks = [
            f"<!-- page {page.number} -->\n\n" if len(sheets) > 1 else "" for page, _ in sheets
        ]
        # Two spaces end a line in Markdown; without them, lines would run together.
        texts = [sheet.text.replace("\n", "  \n") for _, sheet in sheets]
        return "\n\n".join(mark + text for mark, text in zip(marks, texts, strict=True)) + "\n"
    return "\f".join(f"{sheet.text}\n" for _, sheet in sheets)


def _whole(box: tuple[float, float, float, float] | None) -> tuple[int, int, int, int] | None:
    return None if box is None else (int(box[0]), int(box[1]), int(box[2]), int(box[3]))


def _form(text: str) -> Form:
    try:
        made: Form = msgspec.convert(text, Form)
    except msgspec.ValidationError:
        told = f"format is {text!r}: expected text, markdown or json."
        raise Refused(400, told, param="format", code="invalid_value") from None
    return made
