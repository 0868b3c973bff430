"""Commands that mend something, as they have to be typed on this very machine."""

import importlib.util
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Package managers, and what the compiler is called there.
_MANAGERS = {
    "apt-get": ("apt-get install -y", "g++"),
    "dnf": ("dnf install -y", "gcc-c++"),
    "yum": ("yum install -y", "gcc-c++"),
    "zypper": ("zypper install -y", "gcc-c++"),
    "pacman": ("pacman -S --noconfirm", "gcc"),
    "apk": ("apk add", "g++"),
}
# Where managers are also looked for: the PATH may be what is wrong.
_PLACES = ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin")


def quoted(*parts: object) -> str:
    return shlex.join(str(part) for part in parts)


def _system() -> str:
    for manager in _MANAGERS:
        if any(Path(place, manager).exists() for place in _PLACES):
            return manager
    return ""


def ours(*arguments: object) -> str:
    """This very program, also where its folder is not on the PATH."""
    beside = Path(sys.executable).parent / "mlxd"
    found = shutil.which("mlxd")
    if found and beside.exists() and Path(found).samefile(beside):
        return quoted("mlxd", *arguments)
    if beside.exists():
        return quoted(beside, *arguments)
    return quoted(sys.executable, "-m", "mlxd", *arguments)


def as_root(command: str) -> str:
    """Slim images have no sudo."""
    if os.geteuid() == 0:
        return command
    return f"sudo {command}" if found_program("sudo") else f"su -c {shlex.quote(command)}"


def found_program(name: str) -> str:
    """Where a program of the system is, also off the PATH; empty where it is not."""
    return next(
        (f"{place}/{name}" for place in _PLACES if os.access(f"{place}/{name}", os.X_OK)), ""
    )


def asked(url: str) -> list[str]:
    """A look at what answers there, where there is something to look with."""
    return [quoted("curl", "-I", url)] if found_program("curl") else []


def largest() -> list[str]:
    """A look at what takes the memory."""
    return ["ps aux --sort=-rss | head"] if found_program("ps") else [ours("status")]


def install_compiler() -> str:
    if sys.platform == "darwin":
        return "xcode-select --install"
    manager = _system()
    if not manager:
        return "install g++ with this system's package manager"
    install, package = _MANAGERS[manager]
    # Slim images come without the lists of packages.
    before = f"{as_root('apt-get update')} && " if manager == "apt-get" else ""
    return before + as_root(f"{install} {package}")


def compiler_off_path(environ: Mapping[str, str], name: str = "g++") -> str:
    """The folder of a compiler that is installed and not on the PATH; empty where there is none."""
    if shutil.which(name, path=environ.get("PATH", "")):
        return ""
    return found_program(name).removesuffix(f"/{name}")


def pip(*arguments: str) -> str:
    """An installer that changes the environment which this Python runs in."""
    if uv := shutil.which("uv"):
        return quoted(uv, "pip", *arguments[:1], "--python", sys.executable, *arguments[1:])
    if importlib.util.find_spec("pip") is not None:
        return quoted(sys.executable, "-m", "pip", *arguments)
    bring = quoted(sys.executable, "-m", "ensurepip")
    return f"{bring} && {quoted(sys.executable, '-m', 'pip', *arguments)}"


def install(*requirements: str) -> str:
    return pip("install", *requirements)


def reinstall(*requirements: str) -> str:
    return pip("install", "--force-reinstall", "--no-deps", *requirements)


def uninstall(packages: Sequence[str]) -> str:
    command = pip("uninstall", *packages)
    return command if " pip uninstall --python" in command else f"{command} --yes"


def temporary_elsewhere() -> str:
    """A folder of one's own in place of the temporary one."""
    folder = Path.home() / ".cache" / "tmp"
    return f"{quoted('mkdir', '-p', folder)} && {quoted('export', f'TMPDIR={folder}')}"


def data_elsewhere() -> str:
    return quoted("export", f"MLXD_DATA_DIR={Path.home() / 'mlxd-data'}")


def own_again(folder: Path) -> str:
    """May be read and written by this user again."""
    if folder.stat().st_uid == os.getuid():
        return quoted("chmod", "u+rwx", folder)
    group = "" if sys.platform == "darwin" else f":{os.getgid()}"
    return as_root(quoted("chown", "-R", f"{os.getuid()}{group}", folder))


def is_read_only(folder: Path) -> bool:
    """Its whole file system: no permission helps."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that there is."""
    path = path.expanduser().absolute()
    # Path.exists raises where a folder above may not be entered.
    while not os.path.exists(path):
        path = path.parent
    return path


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def shown(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
