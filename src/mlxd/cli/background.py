"""`mlxd up` and `mlxd down`: the same service, without a terminal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlxd.settings import Settings, environment_name

from .complaint import Complaint
from .service import ask

EXIT_STILL_LOADING = 5
EXIT_STILL_RUNNING = 6
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
    from .quick import SERVE as OPTIONS

    made: list[str] = []
    for option, key in OPTIONS.items():
        value = flags.get(key)
        values = value if isinstance(value, list) else [] if value is None else [value]
        made += [f"{option}={one}" for one in values]
    return made


def up(
    settings: Settings, flags: Mapping[str, Any], wait_s: float, command: Sequence[str] = SERVE
) -> int:
    from mlxd.supervisor.record import living_gateways

    for running in living_gateways(settings.data_dir):
        print(f"mlxd is running already: {running.url} (process {running.gateway.pid})")
        return 0
    log = up_log(settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    # Every user may read the command line of a process that stays.
    shown = {key: value for key, value in flags.items() if key != "server.token"}
    token = flags.get("server.token")
    environment = {**os.environ, **({environment_name("server.token"): token} if token else {})}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, *arguments(shown)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        if process.poll() is not None:
            told = log.read_text(encoding="utf-8", errors="replace").strip()
            raise Complaint(f"the service ended at once. It said:\n{told}", process.returncode or 1)
        mine = [one for one in living_gateways(settings.data_dir) if one.gateway.pid == process.pid]
        if mine and _is_up(mine[0].url, settings):
            print(f"mlxd is up: {mine[0].url} (process {process.pid})")
            return 0
        time.sleep(LOOK_S)
    print(f"mlxd is still loading after {wait_s:.0f} s (process {process.pid}); see mlxd status")
    return EXIT_STILL_LOADING


def _is_up(url: str, settings: Settings) -> bool:
    try:
        assigned = ask(url, "/models/capabilities", settings)["capabilities"].values()
        engines = ask(url, "/status", settings)["engines"].values()
    except Complaint:
        return False
    if any(engine["state"] == "ready" for engine in engines):
        return True
    return not any(one["model_id"] for one in assigned)


def down(settings: Settings, *, at_once: bool) -> int:
    from mlxd.supervisor.record import lives, living_gateways

    running = living_gateways(settings.data_dir)
    if not running:
        print("mlxd is not running")
        return 0
    for _ in range(2 if at_once else 1):
        for one in running:
            _signal(one.gateway.pid)
        time.sleep(LOOK_S if at_once else 0)
    until = time.monotonic() + settings.server.drain_timeout + STOP_MARGIN_S
    while left := [one for one in running if lives(one.gateway)]:
        if time.monotonic() > until:
            pids = ", ".join(str(one.gateway.pid) for one in left)
            raise Complaint(f"it is still running (process {pids}).", EXIT_STILL_RUNNING)
        time.sleep(LOOK_S)
    print("mlxd is down")
    return 0


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise Complaint(f"process {pid} is another user's.") from error
