"""`mlxd up` and `mlxd down`: the same service, without a terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlxd.settings import Settings, environment_name

from .complaint import Complaint
from .quick import SERVE as OPTIONS
from .service import ask, running
from .status import doing_of

if TYPE_CHECKING:
    from mlxd.supervisor.record import RunFile

# As of `mlxd serve`.
EXIT_NO_MODEL = 4
EXIT_STILL_LOADING = 5
EXIT_STILL_RUNNING = 6
# As a shell says it of a command that Ctrl-C has ended.
EXIT_INTERRUPTED = 130
# Neither the file of a starting service nor the end of a process that is no child can be waited
# for, so they are looked at this often.
LOOK_S = 0.05
# Beyond drain_timeout: stopping engines, and writing out what connections still hold.
STOP_MARGIN_S = 60.0
SERVE = (sys.executable, "-P", "-m", "mlxd", "serve")


def up_log(settings: Settings) -> Path:
    """What a service in the background says before its own log is open, and instead of it."""
    return settings.data_dir / "logs" / "up.log"


def arguments(flags: Mapping[str, Any]) -> list[str]:
    """The options of `serve` again, with folders as seen from anywhere."""
    made: list[str] = []
    for option, key in OPTIONS.items():
        value = flags.get(key)
        values = value if isinstance(value, list) else [] if value is None else [value]
        made += [f"{option}={one}" for one in values]
    return made


def up(
    settings: Settings, flags: Mapping[str, Any], wait_s: float, command: Sequence[str] = SERVE
) -> int:
    for one in running(settings):
        print(f"mlxd is running already: {one.url} (process {one.gateway.pid})")
        given = [option for option in OPTIONS.values() if flags.get(option) is not None]
        if set(given) - {"data_dir", "config"}:
            print(
                "What was asked for here was not taken over. To start it anew: mlxd down, and then "
                "this again",
                file=sys.stderr,
            )
        return 0
    log = up_log(settings)
    output = _opened(log)
    # Every user may read the command line of a process that stays.
    shown = {key: value for key, value in flags.items() if key != "server.token"}
    token = flags.get("server.token")
    environment = {**os.environ, **({environment_name("server.token"): token} if token else {})}
    with output:
        process = subprocess.Popen(
            [*command, *arguments(shown)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return _wait_until_up(process, log, settings, wait_s)
    except KeyboardInterrupt:
        print(f"\nmlxd goes on starting (process {process.pid}). To end it: mlxd down")
        return EXIT_INTERRUPTED


def _opened(log: Path) -> BinaryIO:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("wb")
    except OSError as error:
        raise Complaint(
            f"{log} can't be written ({error.strerror or error}), and without its data folder a "
            "service in the background could not be found again. Name another: --data-dir DIR, or "
            "start it here: mlxd serve"
        ) from error


def _wait_until_up(
    process: "subprocess.Popen[bytes]", log: Path, settings: Settings, wait_s: float
) -> int:
    from mlxd.supervisor.record import living_gateways

    until = time.monotonic() + wait_s
    shown = ""
    while time.monotonic() < until:
        if process.poll() is not None:
            told = log.read_text(encoding="utf-8", errors="replace").strip()
            raise Complaint(f"the service ended at once. It said:\n{told}", process.returncode or 1)
        mine = [one for one in living_gateways(settings.data_dir) if one.gateway.pid == process.pid]
        if mine:
            is_up, doing, too_big = _look(mine[0].url, settings)
            if is_up:
                print(f"mlxd is up: {mine[0].url} (process {process.pid}). Logs: {log.parent}")
                if not too_big:
                    return 0
                print(f"No model can answer: {' '.join(too_big)}", file=sys.stderr)
                return EXIT_NO_MODEL
            if doing != shown:
                print(f"  {doing}", file=sys.stderr)
                shown = doing
        time.sleep(LOOK_S)
    print(
        f"mlxd is still loading after {wait_s:.0f} s (process {process.pid}). "
        f"See: mlxd status. Logs: {log.parent}"
    )
    return EXIT_STILL_LOADING


def _look(url: str, settings: Settings) -> tuple[bool, str, list[str]]:
    """Whether nothing more is to be waited for: a model can answer, none is wanted, or none will
    ever fit. What it does until then, and why those that do not fit don't."""
    try:
        status = ask(url, "/status", settings)
        assigned = ask(url, "/models/capabilities", settings)["capabilities"].values()
    except Complaint:
        return False, "starting", []
    names = {one["model_id"] for one in assigned if one["model_id"]}
    if status["ready"] or not names:
        return True, "", []
    too_big = [status["engines"].get(name, {}).get("too_big", "") for name in sorted(names)]
    if all(too_big):
        return True, "", too_big
    doing = (f"{name}: {doing_of(one)}" for name, one in status["engines"].items() if one["pid"])
    return False, ", ".join(doing) or "starting", []


def down(settings: Settings, *, at_once: bool) -> int:
    found = running(settings)
    if not found:
        print(f"mlxd is not running{_elsewhere(settings)}")
        return 0
    try:
        _tell(found)
        if at_once:
            # It tells two signals apart once it has seen the first one.
            time.sleep(LOOK_S)
            _tell(found)
        _wait_until_down(found, settings)
    except KeyboardInterrupt:
        return _down_in_a_hurry(found, settings)
    print("mlxd is down")
    return 0


def _down_in_a_hurry(found: Sequence["RunFile"], settings: Settings) -> int:
    try:
        print("\nending what still runs; once more to leave it to itself", file=sys.stderr)
        _tell(found)
        _wait_until_down(found, settings)
    except KeyboardInterrupt:
        print("\nmlxd goes on ending. To see whether it has: mlxd status", file=sys.stderr)
        return EXIT_INTERRUPTED
    print("mlxd is down")
    return 0


def _tell(found: Sequence["RunFile"]) -> None:
    for one in found:
        _signal(one.gateway.pid)


def _wait_until_down(found: Sequence["RunFile"], settings: Settings) -> None:
    from mlxd.supervisor.record import lives

    until = time.monotonic() + settings.server.drain_timeout + STOP_MARGIN_S
    while left := [one for one in found if lives(one.gateway)]:
        if time.monotonic() > until:
            pids = ", ".join(str(one.gateway.pid) for one in left)
            raise Complaint(
                f"it is still running (process {pids}). mlxd down --now does not wait.",
                EXIT_STILL_RUNNING,
            )
        time.sleep(LOOK_S)


def _elsewhere(settings: Settings) -> str:
    """A service of another HOME on the port of these settings, which is not ours to end unasked."""
    server = settings.server
    try:
        status = ask(f"http://{server.host}:{server.port}", "/status", settings)
        folder = status["data_dir"]
    except (Complaint, KeyError, TypeError):
        return ""
    return (
        f" with the data folder {settings.data_dir}. Another one has port {server.port}; "
        f"to end that: mlxd down --data-dir {folder}"
    )


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise Complaint(f"process {pid} is another user's.") from error
