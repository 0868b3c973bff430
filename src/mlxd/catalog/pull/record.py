"""What mlxd downloaded, kept in the repository's folder of the cache: it goes when that goes, and
holds for every mlxd that uses the cache. Only what stands here is ever removed."""

import os
import time
from pathlib import Path

import msgspec

from mlxd.catalog import hub

NAME = "mlxd.json"


class Kept(msgspec.Struct, frozen=True):
    """A blob as it was when it was last verified. `ours`: downloaded by mlxd."""

    size: int
    mtime_ns: int
    ours: bool


class Record(msgspec.Struct):
    """`blobs` by name; `commits` that were fetched whole, with the time."""

    blobs: dict[str, Kept] = {}
    commits: dict[str, float] = {}

    def is_verified(self, blob: Path) -> bool:
        """Whether nobody has written into it since."""
        kept = self.blobs.get(blob.name)
        try:
            status = blob.stat()
        except OSError:
            return False
        return kept is not None and (kept.size, kept.mtime_ns) == (
            status.st_size,
            status.st_mtime_ns,
        )

    def note(self, blob: Path, *, ours: bool) -> None:
        status = blob.stat()
        kept = self.blobs.get(blob.name)
        ours = ours or (kept is not None and kept.ours)
        self.blobs[blob.name] = Kept(status.st_size, status.st_mtime_ns, ours)

    def note_commit(self, commit: str) -> None:
        self.commits[commit] = time.time()


def read(hub_id: str) -> Record:
    try:
        return msgspec.json.decode((hub.repository(hub_id) / NAME).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Record()


def write(hub_id: str, record: Record) -> None:
    file = hub.repository(hub_id) / NAME
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))
    fresh.replace(file)
