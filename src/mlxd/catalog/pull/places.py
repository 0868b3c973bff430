"""Where a download keeps things, and the lock that makes it one however many ask."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from mlxd.catalog import hub

from .events import Event, decode, encode

# The file system has no locks: then nothing is shared, and the last rename wins.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
PARTIAL = ".mlxd.incomplete"


def blobs(hub_id: str) -> Path:
    return hub.repository(hub_id) / "blobs"


def partial(hub_id: str, blob: str) -> Path:
    """Not the name that Hugging Face's own library gives one, so that the two never write into the
    same file; it takes what is finished from the same place, though."""
    return blobs(hub_id) / f"{blob}{PARTIAL}"


def partials(hub_id: str) -> dict[Path, int]:
    """What earlier downloads have left to go on with, in bytes."""
    found = {}
    for file in blobs(hub_id).glob(f"*{PARTIAL}"):
        try:
            found[file] = file.stat().st_size
        except OSError:
            continue
    return found


def _beside(hub_id: str, name: str) -> Path:
    return hub.hub_cache() / ".locks" / hub.repository(hub_id).name / name


class Lock:
    """Held by the one process that downloads this model; the system lets go of it when it dies. It
    keeps its last event in a file, for those who wait."""

    def __init__(self, hub_id: str) -> None:
        self._file = _beside(hub_id, "mlxd.lock")
        self._told = _beside(hub_id, "mlxd.progress")
        self._descriptor: int | None = None

    @property
    def is_mine(self) -> bool:
        return self._descriptor is not None

    def take(self) -> bool:
        """False while another process has it."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return False
                raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._told.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def tell(self, event: Event) -> None:
        """For others; where there is no room for it, the download itself says so."""
        fresh = self._told.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            fresh.write_bytes(encode(event))
            fresh.replace(self._told)

    def told(self) -> Event | None:
        """What the one that has it said last."""
        try:
            return decode(self._told.read_bytes())
        except (OSError, ValueError):
            return None


def downloading(hub_id: str) -> Event | None:
    """How far a download is that runs now, in whatever process."""
    if not _beside(hub_id, "mlxd.lock").exists():
        return None
    lock = Lock(hub_id)
    if lock.take():
        lock.release()
        return None
    # One that began a moment ago has said nothing yet.
    return lock.told() or Event(model=hub_id, state="resolving")
