"""Models that LM Studio has downloaded: `<folder>/<publisher>/<model>`, used where they lie.

*Read, not run:* where that application keeps its files is from its documentation and sources.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .hub import WEIGHTS

POINTER = ".lmstudio-home-pointer"


def folders() -> list[Path]:
    """Where it may keep models, the place that it was told to use first."""
    home = Path.home()
    homes = [home / ".lmstudio", home / ".cache" / "lm-studio"]
    pointed = _text(home / POINTER)
    if pointed:
        homes.insert(0, Path(pointed).expanduser())
    found: list[Path] = []
    for one in homes:
        chosen = _setting(one / "settings.json", "downloadsFolder")
        found += [Path(chosen).expanduser()] if chosen else []
        found.append(one / "models")
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def models() -> Iterator[tuple[str, Path]]:
    """Each with the name `publisher/model`, as it has it on the hub too."""
    seen: set[str] = set()
    for folder in folders():
        for publisher in _below(folder):
            for model in _below(publisher):
                name = f"{publisher.name}/{model.name}"
                if name not in seen and _has_weights(model):
                    seen.add(name)
                    yield name, model


def find(name: str) -> Path | None:
    publisher, _, model = name.partition("/")
    for folder in folders():
        path = folder / publisher / model
        if path.parent.parent == folder and _has_weights(path):
            return path.resolve()
    return None


def _below(folder: Path) -> list[Path]:
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
        return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except OSError:
        return []


def _has_weights(folder: Path) -> bool:
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except (OSError, ValueError):
        return False
    return "config.json" in names or any(name.endswith(WEIGHTS) for name in names)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _setting(file: Path, key: str) -> str | None:
    try:
        value = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) and found else None
