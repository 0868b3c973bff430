"""Pages as pictures, for people who read along with what was found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from mlxd.desk.answers import Refused
from mlxd.settings import DocumentSettings

from .files import Files
from .parse import Extraction, extract
from .pieces import Page, Unreadable, page_file

# Each is a process; who leafs quickly waits for two.
AT_ONCE = 2
# Nothing changes in a revision, and its number is in the tag.
CACHE = "private, no-cache"


class Viewing:
    def __init__(
        self,
        files: Callable[[], Files],
        limits: DocumentSettings,
        row: Callable[[str], dict[str, Any]],
    ) -> None:
        self._files = files
        self._limits = limits
        self._row = row
        self._turns = anyio.CapacityLimiter(AT_ONCE)

    def routes(self) -> list[Route]:
        return [Route("/documents/{id}/pages/{number:int}.png", self.page, methods=["GET"])]

    async def page(self, request: Request) -> Response:
        number = request.path_params["number"]
        row = await anyio.to_thread.run_sync(self._row, request.path_params["id"])
        revision = row["revision"] or row["wanted"]
        images = self._files().images(row["id"], revision)
        if row["type"] == "pdf":
            picture, size = await self._rendered(row, revision, number)
        else:
            # A picture is its own page; what else there is has none.
            picture, size = images / f"picture-{number:05d}.png", None
        if not picture.is_file():
            raise _no_page(row, number)
        headers = {"x-content-type-options": "nosniff", "cache-control": CACHE}
        if size is not None:
            # Boxes of passages are in these units, from the top left.
            headers["x-page-size"] = f"{size[0]:g} {size[1]:g}"
        return FileResponse(picture, media_type="image/png", headers=headers)

    async def _rendered(
        self, row: dict[str, Any], revision: str, number: int
    ) -> tuple[Path, tuple[float, float] | None]:
        if not 1 <= number <= (row["pages"] or number):
            raise _no_page(row, number)
        folder = self._files().images(row["id"], revision) / ".pages" / str(number)
        limits = self._limits
        wanted = Extraction(
            file=str(self._files().original(row["id"], revision)),
            name=row["name"],
            parser="pdf",
            out=str(folder),
            images=str(folder),
            page_limit=limits.page_limit,
            pixel_limit=limits.pixel_limit,
            unpacked_limit=limits.unpacked_limit,
            image_side=limits.image_side,
            memory=limits.parse_memory,
            seconds=limits.parse_timeout,
            only_page=number,
        )
        try:
            await anyio.to_thread.run_sync(
                extract, wanted, lambda: False, limiter=self._turns, abandon_on_cancel=True
            )
        except Unreadable as error:
            raise Refused(404, str(error), code=error.code) from error
        file = folder / page_file(number)
        page = msgspec.json.decode(await anyio.Path(file).read_bytes(), type=Page)
        return folder / (page.picture or ""), page.size


def _no_page(row: dict[str, Any], number: int) -> Refused:
    pages = row["pages"]
    there = f"it has {pages}" if pages and row["paged"] else "it is not divided into pages"
    told = f"{row['name']} has no page {number}: {there}."
    return Refused(404, told, param="number", code="page_not_found")
