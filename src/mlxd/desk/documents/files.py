"""Where files of documents are: the originals, and what was cut out of them.

files/DOCUMENT/REVISION/original     as it was given
files/DOCUMENT/REVISION/images/      pages and pictures that results show
files/DOCUMENT/REVISION/work/        what a job has done so far; gone once it is done
incoming/                            uploads on their way, and what OCR alone needs
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

# Enough that no two contents share it, and short enough to be read.
REVISION_DIGITS = 24
DOCUMENT_DIGITS = 16
_CHUNK = 1024 * 1024
# What came in so long ago was on its way when its desk was killed. Other machines may share this.
FORGOTTEN_S = 24 * 3600.0


class Files:
    def __init__(self, store: Path) -> None:
        self._root = store / "files"
        self.incoming = store / "incoming"
        for folder in (self._root, self.incoming):
            folder.mkdir(parents=True, exist_ok=True)
        for left in self.incoming.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > FORGOTTEN_S:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()

    def take(self, stream: BinaryIO, limit: int) -> tuple[Path, str, int]:
        """The content in a file of ours, its revision and its size; ValueError over the limit."""
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(dir=self.incoming)
        try:
            with os.fdopen(handle, "wb") as file:
                while piece := stream.read(_CHUNK):
                    size += len(piece)
                    if size > limit:
                        raise ValueError(f"it has more than {limit} bytes")
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            Path(name).unlink()
            raise
        return Path(name), digest.hexdigest()[:REVISION_DIGITS], size

    def keep(self, taken: Path, document: str, revision: str) -> None:
        folder = self.folder(document, revision)
        folder.mkdir(parents=True, exist_ok=True)
        taken.replace(folder / "original")

    def folder(self, document: str, revision: str) -> Path:
        return self._root / document / revision

    def original(self, document: str, revision: str) -> Path:
        return self.folder(document, revision) / "original"

    def work(self, document: str, revision: str) -> Path:
        return self.folder(document, revision) / "work"

    def images(self, document: str, revision: str) -> Path:
        return self.folder(document, revision) / "images"

    def done(self, document: str, revision: str) -> None:
        """Only this revision stays, without what was needed to make it. Within the transaction
        that makes it count: nobody brings another one meanwhile."""
        shutil.rmtree(self.work(document, revision), ignore_errors=True)
        for other in self._root.joinpath(document).iterdir():
            if other.name != revision:
                shutil.rmtree(other, ignore_errors=True)

    def remove(self, document: str) -> None:
        shutil.rmtree(self._root / document, ignore_errors=True)


def document_id(source: str | None, revision: str) -> str:
    """A file at a place stays the same document when its content changes. What was uploaded
    without a place is its content: two files of one name are two documents."""
    if source is None:
        return revision[:DOCUMENT_DIGITS]
    return hashlib.sha256(source.encode()).hexdigest()[:DOCUMENT_DIGITS]


def once(file: Path, kind: type[Any], make: Callable[[], Any]) -> Any:
    """What the file holds, or what is made now and held there: work that a crash must not lose."""
    if file.exists():
        return msgspec.json.decode(file.read_bytes(), type=kind)
    made = make()
    write(file, msgspec.json.encode(made))
    return made


def write(file: Path, data: bytes) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(file)
