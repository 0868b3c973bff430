"""One file from the hub into the cache: goes on where an earlier attempt stopped, and counts only
once its hash is right."""

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import httpx2
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not declared
    get_session,
    hf_raise_for_status,
)

from . import places, remote, trouble
from .remote import ATTEMPTS, RemoteFile, Wait

READ_BYTES = 1 << 20
SHA256_DIGITS = 64
# Times that a file may come whole and wrong before its source is given up.
WRONG_CONTENTS = 2


class Content:
    """Hashes of what has come, as the hub and its mirrors may give them."""

    def __init__(self, file: RemoteFile) -> None:
        self._blob = file.blob
        self.size = 0
        self._hashes = [hashlib.sha256()] if len(file.blob) == SHA256_DIGITS else []
        if not self._hashes:
            head = b"blob %d\0" % (file.size or 0)
            self._hashes = [
                hashlib.sha1(head, usedforsecurity=False),
                hashlib.sha1(usedforsecurity=False),
                hashlib.sha256(),
            ]

    def add(self, data: bytes) -> None:
        self.size += len(data)
        for one in self._hashes:
            one.update(data)

    def fits(self, blob: str) -> bool:
        return any(one.hexdigest() == blob for one in self._hashes)

    def told(self) -> str:
        return f"its hash should be {self._blob[:12]}… and is {self._hashes[0].hexdigest()[:12]}…"


class Fetch:
    """`came` is told of every portion, with a negative number for bytes that have to come again."""

    def __init__(self, hub_id: str, commit: str, wait: Wait, came: Callable[[int], None]) -> None:
        self._hub_id = hub_id
        self._commit = commit
        self._wait = wait
        self._came = came

    def fetch(self, file: RemoteFile) -> Path:
        """The blob, verified. Raises PullFailed, or what remote.explained explains."""
        target = places.blobs(self._hub_id) / file.blob
        part = places.partial(self._hub_id, file.blob)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(WRONG_CONTENTS):
                content = self._complete(file, part)
                if not file.has_hash or content.fits(file.blob) or self._otherwise(file, content):
                    part.replace(target)
                    return target
                self._came(-part.stat().st_size)
                part.unlink()
        except HfHubHTTPError:  # an OSError too, but the hub's
            raise
        except OSError as error:
            raise trouble.from_os(error, part.parent) from error
        raise trouble.corrupt(file.name, content.told())

    def _otherwise(self, file: RemoteFile, content: Content) -> bool:
        """Some mirrors list one hash and serve the file under another."""
        told = remote.head(file, self._hub_id, self._commit, self._wait)
        return told.blob != file.blob and content.fits(told.blob)

    def _complete(self, file: RemoteFile, part: Path) -> Content:
        assert file.size is not None
        content = self._left(file, part)
        quiet = ended = 0
        while content.size < file.size:
            before = content.size
            try:
                content = self._go_on(file, part, content)
                if content.size < file.size:
                    raise httpx2.RemoteProtocolError("the connection ended before the file did")
            except (httpx2.TransportError, HfHubHTTPError) as error:
                quiet = quiet + 1 if content.size < before + remote.SOME_BYTES else 0
                if _is_out_of_range(error):
                    ended += 1
                    if ended > WRONG_CONTENTS:
                        # Each time it came whole, and was shorter than it should be.
                        self._again(file, part, content)
                        raise trouble.other_size(file.name, file.size, before) from error
                    content = self._again(file, part, content)
                elif quiet >= ATTEMPTS or not remote.is_passing(error):
                    raise
                else:
                    self._wait(remote.reason(error), remote.pause(error, quiet))
        return content

    def _left(self, file: RemoteFile, part: Path) -> Content:
        """What an earlier attempt has left. More than the file has is none of it."""
        content = Content(file)
        part.touch()
        if part.stat().st_size > (file.size or 0):
            return self._again(file, part, content)
        with part.open("rb") as left:
            while data := left.read(READ_BYTES):
                content.add(data)
        return content

    def _again(self, file: RemoteFile, part: Path, content: Content) -> Content:
        """From the beginning."""
        self._came(-part.stat().st_size)
        os.truncate(part, 0)
        return Content(file)

    def _go_on(self, file: RemoteFile, part: Path, content: Content) -> Content:
        asked = remote.headers()
        if content.size:
            asked["Range"] = f"bytes={content.size}-"
        url = remote.url_of(self._hub_id, self._commit, file.name)
        with (
            get_session().stream(
                "GET", url, headers=asked, follow_redirects=True, timeout=remote.TIMEOUT
            ) as answer,
            # Unbuffered: what has come is kept even when the process is killed.
            part.open("ab", buffering=0) as output,
        ):
            hf_raise_for_status(answer)
            if _is_page(answer) and not file.name.endswith((".html", ".htm")):
                raise trouble.page_instead(file.name)
            if content.size and not _begins_at(answer, content.size):
                content = self._again(file, part, content)
            for data in answer.iter_bytes():
                wanted = data[: (file.size or 0) - content.size]
                _write(output, wanted)
                content.add(wanted)
                self._came(len(wanted))
                if len(wanted) < len(data):
                    break
        return content


def _is_page(answer: httpx2.Response) -> bool:
    """Of a network that wants a log-in first, or of a proxy: with 200, and never the file."""
    return str(answer.headers.get("Content-Type", "")).startswith("text/html")


def _begins_at(answer: httpx2.Response, place: int) -> bool:
    """A server that ignores the range sends all of it, with 200."""
    told = answer.headers.get("Content-Range", "")
    return answer.status_code == 206 and told.startswith(f"bytes {place}-")


def _is_out_of_range(error: Exception) -> bool:
    return isinstance(error, HfHubHTTPError) and error.response.status_code == 416


def _write(output: io.FileIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[output.write(left) :]
