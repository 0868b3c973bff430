"""Which wheel the library of MLX on the disk came from: several bring one to the same place."""

import base64
import hashlib
import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path

from ..finding import Case, Finding, fail, ok, skipped, warn
from ..hints import reinstall, uninstall

TITLE = "MLX's library"
WHY = (
    "mlx-cpu and the CUDA wheels put libmlx.so into the same place. With two of them the last one "
    "installed wins, and removing it takes the other's file away too."
)

DRIVER_FILE = Path("/proc/driver/nvidia/version")
LIBRARIES = ("libmlx.so", "libmlx.dylib")
CPU = ("mlx-cpu",)
CUDA = ("mlx-cuda-13", "mlx-cuda-12", "mlx-cuda")


def there(names: Sequence[str]) -> dict[str, str]:
    """Of these packages, those that are installed, with their versions."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def look(case: Case) -> Finding:
    claims = [claim for name in _packages() for claim in _claims(name)]
    if not claims:
        return fail("no package brings libmlx: MLX is not installed whole", reinstall(_wanted()))
    path = claims[0][1]
    names = list(dict.fromkeys(name for name, _, _ in claims))
    facts = {"packages": names, "path": str(path)}
    if not path.exists():
        told = f"{names[-1]} is installed, and {path} is gone"
        return fail(told, reinstall(_pinned(names[-1])), **facts)
    digest = _digest(path)
    owners = [name for name, place, wanted in claims if place == path and wanted == digest]
    if len(names) > 1:
        whose = f"that of {owners[0]}" if owners else "neither's"
        told = f"{' and '.join(names)} are both installed; {path.name} is {whose}"
        return fail(told, only(fitting(names)), **facts)
    if not owners and all(wanted for _, _, wanted in claims):
        told = f"{path} is not the file that {names[0]} brought"
        return fail(told, reinstall(_pinned(names[0])), **facts)
    if not owners:
        return skipped(f"{names[0]} keeps no hash of {path.name}", **facts)
    brought = f"{names[0]} {importlib.metadata.version(names[0])}"
    mine, base = importlib.metadata.version(names[0]), there(["mlx"]).get("mlx", "")
    if base and mine != base:
        told = f"{brought} under mlx {base}: they only fit in the same version"
        return warn(told, reinstall(f"{names[0]}=={base}"), **facts)
    return ok(f"as {brought} brought it", **facts)


def fitting(names: Sequence[str]) -> str:
    """Of several backends the one that this machine can use."""
    wanted = CUDA if DRIVER_FILE.exists() else (*CPU, "mlx-metal")
    return next((name for name in names if name in wanted), names[-1])


def only(keep: str) -> str:
    """Leaves this backend alone, and whole: removing another takes its library away too."""
    others = [name for name in there((*CPU, *CUDA)) if name != keep]
    back = reinstall(_pinned(keep))
    return f"{uninstall(others)} && {back}" if others else back


def _packages() -> list[str]:
    """Everything whose name says MLX's library."""
    return [*there((*CPU, *CUDA, "mlx-metal", "mlx"))]


def _wanted() -> str:
    return "mlx-cpu" if sys.platform == "linux" else "mlx-metal"


def _pinned(name: str) -> str:
    version = there(["mlx"]).get("mlx") or there([name]).get(name, "")
    return f"{name}=={version}" if version else name


def _claims(name: str) -> list[tuple[str, Path, str]]:
    """(package, path, hash in its record) of each library of MLX that it says it brought."""
    package = importlib.metadata.distribution(name)
    return [
        (name, Path(str(package.locate_file(file))).resolve(), file.hash.value if file.hash else "")
        for file in package.files or ()
        if file.name in LIBRARIES
    ]


def _digest(path: Path) -> str:
    """As a wheel's record writes it."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
