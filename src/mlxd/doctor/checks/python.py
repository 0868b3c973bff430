"""Python and the platform under it."""

import platform
import struct
import sys

from ..finding import Case, Finding, fail, ok, warn

TITLE = "Python and platform"
WHY = "MLX comes as binary packages for a few platforms; on others it is missing or crashes."

OLDEST = (3, 11)
# The wheels of MLX for macOS are built for this one and newer.
OLDEST_MACOS = 14


def look(case: Case) -> Finding:
    version = platform.python_version()
    machine = platform.machine()
    found = f"Python {version}, {_system()}, {machine}"
    facts = {"python": version, "executable": sys.executable, "machine": machine}
    if sys.version_info < OLDEST:
        return fail(f"{found}; mlxd needs {OLDEST[0]}.{OLDEST[1]}", "uv python install", **facts)
    if struct.calcsize("P") != 8:
        return fail(f"{found}: a 32-bit Python", "uv python install", **facts)
    if sys.platform == "darwin":
        return _macos(found, machine, facts)
    libc, release = platform.libc_ver()
    if sys.platform == "linux" and libc != "glibc":
        told = f"{found}: no glibc, and MLX has no packages for musl (Alpine)"
        return fail(told, "use an image with glibc, such as python:3.12-slim", **facts)
    return ok(f"{found}, {libc} {release}".rstrip(", "), **facts)


def _system() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return f"{platform.system()} {platform.release()}"


def _macos(found: str, machine: str, facts: dict[str, str]) -> Finding:
    major = int((platform.mac_ver()[0] or "0").partition(".")[0])
    if machine == "x86_64":
        told = f"{found}: on Apple silicon this Python runs translated, without Metal"
        return fail(told, "brew install uv && uv python install --reinstall", **facts)
    if major < OLDEST_MACOS:
        return warn(f"{found}; MLX is built for macOS {OLDEST_MACOS}", "softwareupdate -l", **facts)
    return ok(found, **facts)
