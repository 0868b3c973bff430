"""What smoke has proved of a model here, told without a running service."""

from pathlib import Path
from typing import Any

import mlxd
from mlxd.catalog import certificate


def certified(data_dir: Path, model: str, folder: Path) -> dict[str, Any] | None:
    """Its certificate and what is stale of it, as `/v1/models` shows it. A file that was written to
    is read again first."""
    made = certificate.Certificates(data_dir)
    now = certificate.Machine(versions=certificate.installed(mlxd.__version__))
    found = made.of(model, folder, now)
    if found and found[1]:
        made.wait()
        found = made.of(model, folder, now)
    return certificate.shown(*found) if found else None


def line(told: dict[str, Any] | None) -> str:
    if told is None:
        return "no certificate; make one: mlxd smoke"
    counts = f"{told['passed']} passed, {told['failed']} failed, {told['skipped']} skipped"
    text = f"certificate of {told['issued'][:10]} on {told['device']}: {told['verdict']} ({counts})"
    return f"{text}; stale: {'; '.join(told['stale'])}" if told["stale"] else text
