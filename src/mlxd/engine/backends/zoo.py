"""The model zoos' modules, without what their packages import on the way.

Importing mlx-lm or mlx-vlm as a package also imports transformers and much else, which takes
longer than everything else at start-up together. A checkpoint in MLX's own form needs only its
model's module and a few lines to fill it, so that is the usual way. Anything else goes through
the library's own loader, and pays for it.
"""

import importlib.util
import sys
import types
from functools import cache
from pathlib import Path

from .base import CannotLoad


@cache
def place_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise CannotLoad(f"{package.replace('_', '-')} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def importable(package: str) -> None:
    """Make the package's modules importable one by one."""
    place = place_of(package)
    if package not in sys.modules:
        bare = types.ModuleType(package)
        bare.__path__ = [str(place)]
        sys.modules[package] = bare


def whole(package: str, *stubs: str) -> None:
    """Undo `importable`: the library's own loader wants all of it."""
    found = sys.modules.get(package)
    if found is not None and found.__spec__ is None:
        for name in [n for n in sys.modules if n == package or n.startswith(package + ".")]:
            del sys.modules[name]
    for name in stubs:
        if name in sys.modules and sys.modules[name].__spec__ is None:
            del sys.modules[name]
