"""What smoke has proved for these weights, these versions and this device, and whether it still
holds.

Certificates lie in `certificates/` of the data folder, a folder for each model and a file for each
device. Each keeps the stamps of the files that were judged, so that nothing has to be read again to
see that they are the same; a file whose stamp has changed is read again, in the background.
"""

import hashlib
import platform
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

FOLDER = "certificates"
# What decides how a model answers. Notes, pictures and licences do not.
WEIGHTS = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt")
PACKAGES = ("mlx", "mlx-lm", "mlx-vlm")
BLOCK_BYTES = 1 << 20

Verdict = Literal["PASS", "FAIL", "ERROR", "SKIPPED"]


class Stamp(msgspec.Struct, frozen=True):
    """Of a file. Whoever writes into it can set its `mtime_ns` back, but not its `ctime_ns`."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class Judged(msgspec.Struct, frozen=True):
    stamp: Stamp
    sha256: str


class Proved(msgspec.Struct, frozen=True):
    verdict: Verdict
    passed: int
    rounds: int


class Certificate(msgspec.Struct, kw_only=True, frozen=True):
    """`files` by name: all that decide how the model answers. `weights` sums them up."""

    model: str
    weights: str
    files: dict[str, Judged]
    versions: dict[str, str]
    device: str
    dtype: str
    verdict: Verdict
    suites: list[str]
    checks: dict[str, Proved]
    issued: str


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What answers now. None: not known while the model is not loaded."""

    versions: dict[str, str]
    device: str | None = None
    dtype: str | None = None


def installed(version: str) -> dict[str, str]:
    """What an engine of this installation would run, without loading any of it."""
    import importlib.metadata

    found = {"mlxd": version, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


# --- the files -------------------------------------------------------------------------------


def stamps(folder: Path) -> dict[str, Stamp]:
    """Raises OSError for a file that can't be looked at."""
    files = sorted({file for pattern in WEIGHTS for file in folder.glob(pattern)})
    return {file.name: _stamp(file) for file in files}


def _stamp(file: Path) -> Stamp:
    found = file.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def read(folder: Path, known: Mapping[str, Judged] | None = None) -> dict[str, Judged]:
    """Every file with its hash; what bears a known stamp is not read again. Raises ValueError when
    a file changes meanwhile."""
    found = {}
    for name, stamp in stamps(folder).items():
        before = (known or {}).get(name)
        same = before is not None and before.stamp == stamp
        digest = before.sha256 if before and same else _hash(folder / name)
        if _stamp(folder / name) != stamp:
            raise ValueError(f"{name} is being written to")
        found[name] = Judged(stamp, digest)
    return found


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def weights_of(files: Mapping[str, Judged]) -> str:
    """One hash over the names and contents of all files."""
    digest = hashlib.sha256()
    for name, one in sorted(files.items()):
        digest.update(f"{name}\0{one.sha256}\0".encode())
    return f"sha256:{digest.hexdigest()}"


# --- whether it holds ------------------------------------------------------------------------


def why_stale(held: Certificate, now: Machine) -> list[str]:
    """What has changed beside the files; empty while the certificate holds."""
    changed = []
    for name in sorted({*held.versions, *now.versions}):
        before, after = held.versions.get(name), now.versions.get(name)
        if before != after:
            changed.append(f"{name} was {before or 'not there'}, now {after or 'not there'}")
    if now.device is not None and held.device != now.device:
        changed.append(f"the device was {held.device!r}, now {now.device!r}")
    if now.dtype is not None and held.dtype != now.dtype:
        changed.append(f"the weights were held as {held.dtype}, now as {now.dtype}")
    return changed


def why_other_files(
    held: Mapping[str, Judged], there: Mapping[str, Stamp], read_again: Mapping[str, Judged]
) -> tuple[list[str], bool]:
    """What has become of the files, and whether one of them has to be read to know."""
    changed, unread = [], False
    for name in sorted({*held, *there}):
        judged, stamp, again = held.get(name), there.get(name), read_again.get(name)
        if judged is None:
            changed.append(f"{name} was not there when it was judged")
        elif stamp is None:
            changed.append(f"{name} is gone")
        elif stamp == judged.stamp:
            continue
        elif stamp.size != judged.stamp.size:
            changed.append(f"{name} is not the file that was judged")
        elif again is None or again.stamp != stamp:
            changed.append(f"{name} was written to; whether it is another now is being read")
            unread = True
        elif again.sha256 != judged.sha256:
            changed.append(f"{name} is not the file that was judged")
    return changed, unread


def shown(held: Certificate, stale: list[str]) -> dict[str, Any]:
    """For a list of models: what is proved, without each check and file."""
    counts = [one.verdict for one in held.checks.values()]
    return {
        "verdict": held.verdict,
        "holds": not stale,
        "stale": stale,
        "issued": held.issued,
        "passed": counts.count("PASS"),
        "failed": counts.count("FAIL"),
        "skipped": counts.count("SKIPPED"),
        "suites": held.suites,
        "weights": held.weights,
        "versions": held.versions,
        "device": held.device,
        "dtype": held.dtype,
    }


# --- where they lie --------------------------------------------------------------------------


def store(certificate: Certificate, data_dir: Path) -> Path:
    path = place(data_dir, certificate.model, certificate.device)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(certificate), indent=1) + b"\n")
    beside.replace(path)
    return path


def load(data_dir: Path, model: str, device: str) -> Certificate | None:
    """None where there is none, or none that can be read."""
    return _load(place(data_dir, model, device))


def latest(data_dir: Path, model: str) -> Certificate | None:
    """Whatever device it was made on."""
    made = [_load(path) for path in _of(data_dir, model).glob("*.json")]
    return max((one for one in made if one), key=lambda one: one.issued, default=None)


def every(data_dir: Path) -> Iterator[Certificate]:
    for path in sorted((data_dir / FOLDER).glob("*/*.json")):
        if (found := _load(path)) is not None:
            yield found


def _load(path: Path) -> Certificate | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Certificate)
    except (OSError, msgspec.DecodeError):
        return None


def place(data_dir: Path, model: str, device: str) -> Path:
    return _of(data_dir, model) / f"{_file_name(device)}.json"


def _of(data_dir: Path, model: str) -> Path:
    return data_dir / FOLDER / _file_name(model)


def _file_name(text: str) -> str:
    """Two names that only differ in what is replaced must not share a file."""
    short = hashlib.sha256(text.encode()).hexdigest()[:8]
    return re.sub(r"[^\w.-]+", "-", text) + f"-{short}"


class Certificates:
    """Of the models that are served. Never blocks on reading weights: one thread at a time does
    that, and until it has, a file that was written to is taken for another."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._read: dict[Path, dict[str, Judged]] = {}
        self._reading: threading.Thread | None = None

    def of(self, model: str, folder: Path, now: Machine) -> tuple[Certificate, list[str]] | None:
        """The certificate, and why it does not hold any more."""
        held = load(self._data_dir, model, now.device) if now.device else None
        held = held or latest(self._data_dir, model)
        if held is None:
            return None
        try:
            there = stamps(folder)
        except OSError as error:
            return held, [f"the model's files can't be looked at: {error.strerror}"]
        changed, unread = why_other_files(held.files, there, self._read.get(folder, {}))
        if unread and (self._reading is None or not self._reading.is_alive()):
            self._reading = threading.Thread(
                target=self._look, args=(folder, held.files), daemon=True, name="certificates"
            )
            self._reading.start()
        return held, [*changed, *why_stale(held, now)]

    def _look(self, folder: Path, known: Mapping[str, Judged]) -> None:
        # Of a file that is just being written or removed, the next look will tell.
        try:
            self._read[folder] = read(folder, {**known, **self._read.get(folder, {})})
        except (OSError, ValueError):
            return

    def wait(self) -> None:
        """Until what is being read has been."""
        if self._reading is not None:
            self._reading.join()
