"""What a run has proved for these weights, these versions and this device; stale when any changes.

Certificates lie in `certificates/` of the data folder, one for each model and device.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from .result import Run, Verdict

FOLDER = "certificates"
# What decides how a model answers. Notes, pictures and licences do not.
WEIGHTS = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt")
BLOCK_BYTES = 1 << 20


class Proved(msgspec.Struct, frozen=True):
    verdict: Verdict
    passed: int
    rounds: int


class Certificate(msgspec.Struct, kw_only=True, frozen=True):
    model: str
    weights: str
    versions: dict[str, str]
    device: str
    dtype: str
    verdict: Verdict
    suites: list[str]
    checks: dict[str, Proved]
    issued: str


def issue(run: Run, folder: Path) -> Certificate:
    """Of a whole run against a server of ours; ValueError says why there can be none."""
    if run.cut_short or run.error:
        raise ValueError(f"the run did not come to its end: {run.cut_short or run.error}")
    engine = run.target.engine
    if not engine.get("versions"):
        raise ValueError("the server does not say which versions it runs")
    return Certificate(
        model=run.target.model,
        weights=weights_hash(folder),
        versions=dict(engine["versions"]),
        device=str(engine.get("device", "")),
        dtype=str(engine.get("dtype", "")),
        verdict=run.verdict,
        suites=list(dict.fromkeys(check.suite for check in run.checks if check.judged)),
        checks={
            check.id: Proved(check.verdict, check.passed, len(check.judged)) for check in run.checks
        },
        issued=run.started,
    )


def weights_hash(folder: Path) -> str:
    """Over the names and contents of all files that decide how the model answers."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in WEIGHTS for file in folder.glob(pattern)}):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def why_stale(
    held: Certificate, *, weights: str, versions: Mapping[str, str], device: str, dtype: str = ""
) -> list[str]:
    """What has changed since; empty while the certificate holds."""
    changed = []
    if held.weights != weights:
        changed.append("the weights are not those that were judged")
    for name in sorted({*held.versions, *versions}):
        before, now = held.versions.get(name), versions.get(name)
        if before != now:
            changed.append(f"{name} was {before or 'not there'}, now {now or 'not there'}")
    if held.device != device:
        changed.append(f"the device was {held.device!r}, now {device!r}")
    if dtype and held.dtype != dtype:
        changed.append(f"the weights were held as {held.dtype}, now as {dtype}")
    return changed


def store(certificate: Certificate, data_dir: Path) -> Path:
    path = place(data_dir, certificate.model, certificate.device)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(certificate), indent=1) + b"\n")
    beside.replace(path)
    return path


def load(data_dir: Path, model: str, device: str) -> Certificate | None:
    """None where there is none, or none that can be read."""
    try:
        data = place(data_dir, model, device).read_bytes()
        return msgspec.json.decode(data, type=Certificate)
    except (OSError, msgspec.DecodeError):
        return None


def place(data_dir: Path, model: str, device: str) -> Path:
    name = re.sub(r"[^\w.-]+", "-", f"{model} on {device}")
    # Two names that only differ in what was replaced must not share a file.
    short = hashlib.sha256(f"{model}\0{device}".encode()).hexdigest()[:8]
    return data_dir / FOLDER / f"{name}-{short}.json"
