"""`mlxd service install` and `uninstall`: the service as the system's own, started at log-in."""

import getpass
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from mlxd.settings import Settings

from . import units
from .background import SERVE, STOP_MARGIN_S, arguments, up_log
from .complaint import Complaint

UNIT = "mlxd.service"
LABEL = "local.mlxd"
# What a service needs of this shell beside mlxd's own variables: compilers for run-time kernels,
# where models lie, the way out to the network.
TAKEN = frozenset(
    {
        "PATH",
        *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
        *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"),
    }
)
EXIT_NO_MANAGER = 7


class Manager(Protocol):
    """Who starts services here. `files` are written before `load` and gone before `removed`."""

    def check(self) -> None: ...
    def files(self, wanted: units.Wanted) -> dict[Path, str]: ...
    def places(self) -> list[Path]: ...
    def is_running(self) -> bool: ...
    def load(self, *, changed: bool) -> None: ...
    def unload(self) -> None: ...
    def removed(self) -> None: ...
    def hints(self) -> list[str]: ...


def install(settings: Settings, flags: Mapping[str, Any], *, show: bool) -> int:
    manager = _manager()
    wanted = _wanted(settings, flags)
    if show:
        for path, text in manager.files(_without_values(wanted)).items():
            print(f"# {path}\n{text}")
        return 0
    files = manager.files(wanted)
    manager.check()
    for path in files:
        _check_ours(path)
    _check_alone(settings, manager)
    changed = [path for path, text in files.items() if _write(path, text)]
    for path in files:
        print(f"{'written' if path in changed else 'as it was'}: {path}")
    up_log(settings).parent.mkdir(parents=True, exist_ok=True)
    manager.load(changed=bool(changed))
    print("mlxd is a service now: it starts when you log in. See: mlxd status")
    for hint in [*manager.hints(), *_own_hints()]:
        print(hint)
    return 0


def uninstall() -> int:
    manager = _manager()
    ours = [path for path in manager.places() if path.exists()]
    if not ours:
        print("mlxd is not installed as a service")
        return 0
    for path in ours:
        _check_ours(path)
    manager.check()
    manager.unload()
    for path in ours:
        path.unlink()
        print(f"removed: {path}")
    manager.removed()
    print("mlxd is no service any more; models, logs and settings were left as they are")
    return 0


def _manager() -> Manager:
    return Launchd() if sys.platform == "darwin" else Systemd()


def _wanted(settings: Settings, flags: Mapping[str, Any]) -> units.Wanted:
    # Folders as seen from anywhere, as the service starts elsewhere.
    seen = dict(flags)
    for key in ("data_dir", "config"):
        if seen.get(key) is not None:
            seen[key] = Path(seen[key]).expanduser().absolute()
    if seen.get("models"):
        seen["models"] = [_absolute(one) for one in seen["models"]]
    keys = {one.key_env for one in settings.remotes if one.key_env}
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in TAKEN or name in keys or (name.startswith("MLXD_") and name != "MLXD_URL")
    }
    return units.Wanted(
        command=[*SERVE, *arguments(seen)],
        environment=environment,
        home=Path.home(),
        log=up_log(settings),
        stop_s=int(settings.server.drain_timeout + STOP_MARGIN_S),
    )


def _absolute(name: str) -> str:
    folder = Path(name).expanduser()
    return str(folder.absolute()) if folder.is_dir() else name


def _check_ours(path: Path) -> None:
    if path.exists() and units.MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise Complaint(f"{path} was not written by mlxd, so it was left alone. Move it away.")


def _check_alone(settings: Settings, manager: Manager) -> None:
    from mlxd.supervisor.record import living_gateways

    running = living_gateways(settings.data_dir)
    if running and not manager.is_running():
        pids = ", ".join(str(one.gateway.pid) for one in running)
        raise Complaint(
            f"mlxd is running already, and not as a service (process {pids}). "
            "End it first: mlxd down"
        )


def _write(path: Path, text: str) -> bool:
    """Whole or not at all, readable by this user alone; whether anything changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
    return True


def _without_values(wanted: units.Wanted) -> units.Wanted:
    """Tokens and keys may be among them; a terminal is no place for those."""
    shown = {
        name: value if name in TAKEN else "(set)" for name, value in wanted.environment.items()
    }
    return msgspec.structs.replace(wanted, environment=shown)


def _own_hints() -> list[str]:
    if "/uv/archive-v" in sys.executable or "/.cache/uv/" in sys.executable:
        return [
            "This mlxd lies in uv's cache, which may be cleared. Install it to stay: "
            "uv tool install mlxd && mlxd service install"
        ]
    return []


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _must(*command: str) -> None:
    done = _run(*command)
    if done.returncode:
        told = (done.stderr or done.stdout).strip()
        raise Complaint(f"`{' '.join(command)}` failed: {told or done.returncode}")


def _missing(what: str, why: str) -> Complaint:
    return Complaint(
        f"{what} can't be used here ({why}). `mlxd up` serves in the background without it.",
        EXIT_NO_MANAGER,
    )


class Systemd:
    def __init__(self) -> None:
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        self._unit = config / "systemd" / "user" / UNIT
        self._env = config / "mlxd" / "service.env"

    def check(self) -> None:
        try:
            done = _run("systemctl", "--user", "show-environment")
        except FileNotFoundError:
            raise _missing("systemd", "there is no systemctl") from None
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise _missing("systemd for users", lines[0] if lines else "it does not answer")

    def files(self, wanted: units.Wanted) -> dict[Path, str]:
        return {
            self._unit: units.systemd_unit(wanted, self._env),
            self._env: units.env_text(wanted.environment),
        }

    def places(self) -> list[Path]:
        return [self._unit, self._env]

    def is_running(self) -> bool:
        return _run("systemctl", "--user", "--quiet", "is-active", UNIT).returncode == 0

    def load(self, *, changed: bool) -> None:
        _must("systemctl", "--user", "daemon-reload")
        _must("systemctl", "--user", "enable", UNIT)
        _must("systemctl", "--user", "restart" if changed else "start", UNIT)

    def unload(self) -> None:
        _must("systemctl", "--user", "disable", "--now", UNIT)

    def removed(self) -> None:
        _must("systemctl", "--user", "daemon-reload")

    def hints(self) -> list[str]:
        user = getpass.getuser()
        try:
            lingers = _run("loginctl", "show-user", user, "--property=Linger", "--value")
        except FileNotFoundError:
            return []
        if lingers.stdout.strip() == "yes":
            return []
        return [f"It ends when you log out. To have it stay: loginctl enable-linger {user}"]


class Launchd:
    """Only read, as there is no macOS to run it on."""

    def __init__(self) -> None:
        self._plist = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
        self._domain = f"gui/{os.getuid()}"

    def check(self) -> None:
        try:
            done = _run("launchctl", "print", self._domain)
        except FileNotFoundError:
            raise _missing("launchd", "there is no launchctl") from None
        if done.returncode:
            raise _missing("launchd", "nobody is logged in at the screen")

    def files(self, wanted: units.Wanted) -> dict[Path, str]:
        return {self._plist: units.launchd_plist(wanted, LABEL)}

    def places(self) -> list[Path]:
        return [self._plist]

    def is_running(self) -> bool:
        return _run("launchctl", "print", f"{self._domain}/{LABEL}").returncode == 0

    def load(self, *, changed: bool) -> None:
        if self.is_running():
            if not changed:
                return
            _must("launchctl", "bootout", f"{self._domain}/{LABEL}")
        _must("launchctl", "enable", f"{self._domain}/{LABEL}")
        _must("launchctl", "bootstrap", self._domain, str(self._plist))

    def unload(self) -> None:
        if self.is_running():
            _must("launchctl", "bootout", f"{self._domain}/{LABEL}")

    def removed(self) -> None:
        """It forgets by itself what is gone."""

    def hints(self) -> list[str]:
        return []
