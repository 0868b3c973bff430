"""Fetching the images of a request: data URLs always, anything else only where it is allowed."""

import asyncio
import base64
import binascii
import re
from collections.abc import Iterable

from mlxd.gateway.errors import bad
from mlxd.settings import ImageSettings

_DATA = re.compile(r"data:(image/[A-Za-z0-9.+-]+)((?:;[^;,]*)*?)(;base64)?,", re.IGNORECASE)
# Above this, decoding is done beside the event loop, where it would stall running streams.
_INLINE_CHARACTERS = 256 * 1024


class ImageLoader:
    def __init__(self, settings: ImageSettings) -> None:
        self._settings = settings

    async def load(self, wanted: Iterable[tuple[str, str]]) -> dict[str, bytes]:
        """The files by their places in the request."""
        return {place: await self._one(place, url) for place, url in wanted}

    async def _one(self, place: str, url: str) -> bytes:
        scheme = url.partition(":")[0].lower()
        if scheme == "data":
            if len(url) > _INLINE_CHARACTERS:
                return await asyncio.to_thread(
                    decode_data_url, place, url, self._settings.byte_limit
                )
            return decode_data_url(place, url, self._settings.byte_limit)
        raise bad(f"{place}: only data URLs are allowed here, not {scheme[:20]!r}.", place)


def decode_data_url(place: str, url: str, limit: int) -> bytes:
    head = _DATA.match(url)
    if head is None:
        told = "expected data:image/…;base64,… with an image media type"
        raise bad(f"{place}: {told}, got {url[:40]!r}.", place, "invalid_image")
    if head[3] is None:
        raise bad(f"{place}: the data URL is not base64.", place, "invalid_image")
    data = url[head.end() :]
    if len(data) * 3 // 4 > limit + 2:
        raise too_large(place, limit)
    try:
        made = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        told = f"{place}: the image's base64 is broken: {error}."
        raise bad(told, place, "invalid_image") from None
    if not made:
        raise bad(f"{place}: the image is empty.", place, "invalid_image")
    return made


def too_large(place: str, limit: int) -> Exception:
    told = f"{place}: the image is over the limit of {limit} bytes (setting images.byte_limit)."
    return bad(told, place, "image_too_large")
