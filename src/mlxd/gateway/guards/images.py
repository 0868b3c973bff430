"""The images of a request: data URLs always, anything else only where the settings allow it."""

import asyncio
import base64
import binascii
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlxd.gateway.errors import bad, image_too_large
from mlxd.settings import ImageSettings

_DATA = re.compile(r"data:image/[a-z0-9.+-]+((?:;[^;,]*)*),", re.IGNORECASE)
# Above this, decoding is done beside the event loop, where it would stall running streams.
_INLINE_CHARACTERS = 256 * 1024
MAX_IMAGES = 64
# They go to the engine in one frame, and stay in memory until it has them.
MAX_TOTAL_BYTES = 256 * 1024 * 1024


class ImageLoader:
    def __init__(self, settings: ImageSettings) -> None:
        self._settings = settings

    async def load(self, wanted: Iterable[tuple[str, str]]) -> dict[str, bytes]:
        """The files by their places in the request."""
        wanted = list(wanted)
        if len(wanted) > MAX_IMAGES:
            told = f"{len(wanted)} images are in the request; at most {MAX_IMAGES} go in one."
            raise bad(told, wanted[MAX_IMAGES][0])
        made: dict[str, bytes] = {}
        total = 0
        for place, url in wanted:
            made[place] = await self._one(place, url)
            total += len(made[place])
            if total > MAX_TOTAL_BYTES:
                told = f"{place}: the images together are over {MAX_TOTAL_BYTES} bytes."
                raise bad(told, place, "image_too_large")
        return made

    async def _one(self, place: str, url: str) -> bytes:
        limit = self._settings.byte_limit
        match url.partition(":")[0].lower():
            case "data" if len(url) > _INLINE_CHARACTERS:
                return await asyncio.to_thread(decode_data_url, place, url, limit)
            case "data":
                return decode_data_url(place, url, limit)
            case "file":
                roots = self._settings.allowed_roots
                return await asyncio.to_thread(read_file_url, place, url, roots, limit)
            case "http" | "https":
                return await self._fetch(place, url)
            case _:
                told = f"{place}: expected a data URL with the image in it, got {url[:40]!r}."
                raise bad(told, place, "invalid_image_url")

    async def _fetch(self, place: str, url: str) -> bytes:
        if not self._settings.allow_http:
            told = "images are not fetched from the network here (setting images.allow_http)"
            raise bad(f"{place}: {told}; send a data URL.", place, "image_url_not_allowed")
        # Costs a tenth of a second to import, and most gateways never need it.
        from .fetch import fetch

        seconds, limit = self._settings.fetch_timeout, self._settings.byte_limit
        return await fetch(place, url, seconds=seconds, limit=limit)


def decode_data_url(place: str, url: str, limit: int) -> bytes:
    head = _DATA.match(url)
    if head is None:
        told = "expected data:image/…;base64,… with an image media type"
        raise bad(f"{place}: {told}, got {url[:40]!r}.", place, "invalid_image_url")
    if not head[1].lower().endswith(";base64"):
        raise bad(f"{place}: the data URL is not base64.", place, "invalid_image_url")
    data = url[head.end() :]
    if len(data) // 4 * 3 > limit + 2:
        raise image_too_large(place, limit)
    try:
        made = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        told = f"{place}: the image's base64 is broken: {error}."
        raise bad(told, place, "invalid_image") from None
    if not made:
        raise bad(f"{place}: the image is empty.", place, "invalid_image")
    return made


def read_file_url(place: str, url: str, roots: Iterable[Path], limit: int) -> bytes:
    """Allowed is what lies under a root once every link is followed; whether anything else
    exists is not told."""
    refused = bad(
        f"{place}: this file may not be read here (setting images.allowed_roots).",
        place,
        "image_url_not_allowed",
    )
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise refused
    resolved = Path(os.path.realpath(path))
    if not any(resolved.is_relative_to(os.path.realpath(root)) for root in roots):
        raise refused
    try:
        # No waiting for a pipe's other end, and no following a link that has appeared since.
        number = os.open(resolved, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        told = f"{place}: the file can't be read: {error.strerror}."
        raise bad(told, place, "invalid_image_url") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise bad(f"{place}: this is not a regular file.", place, "invalid_image_url")
    with os.fdopen(number, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise image_too_large(place, limit)
    return data
