"""`mlxd models start`, `stop`, `restart` and `confirm`: what becomes of it is waited for."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from mlxd.settings import Settings

from .background import EXIT_INTERRUPTED, EXIT_NO_MODEL, EXIT_STILL_LOADING
from .complaint import Complaint
from .service import ask, only_url
from .status import doing_of

# /status is looked at this often: an engine tells the gateway, and nobody tells us.
LOOK_S = 0.1
# A model may have to be loaded before it can be asked.
CONFIRM_S = 600.0
Engine = dict[str, Any]


def control(settings: Settings, url: str | None, what: str, name: str, wait_s: float) -> int:
    """Returns when it is ready, or, for `stop`, when its process is gone."""
    where = only_url(settings, url)
    before = ask(where, "/status", settings)["engines"]
    asked = ask(where, f"/engines/{quote(name)}/{what}", settings, post=True)
    model = str(asked["model_id"])
    old = before.get(model, {}).get("pid") if what == "restart" else None
    done = _gone if what == "stop" else _ready(old)
    try:
        return _wait(where, settings, model, done, wait_s)
    except KeyboardInterrupt:
        print(f"\n{model}: the {what} goes on. To see how far it is: mlxd status", file=sys.stderr)
        return EXIT_INTERRUPTED


def _gone(engine: Engine) -> bool:
    return engine["pid"] is None


def _ready(old: int | None) -> Callable[[Engine], bool]:
    """`old`: the process that is to be replaced."""
    return lambda engine: engine["state"] == "ready" and engine["pid"] != old


def _wait(
    where: str, settings: Settings, model: str, done: Callable[[Engine], bool], wait_s: float
) -> int:
    until = time.monotonic() + wait_s
    shown = ""
    while True:
        engine = ask(where, "/status", settings)["engines"][model]
        doing = doing_of(engine)
        if done(engine):
            print(f"{model}: {doing}")
            return 0
        if engine["state"] == "failed":
            raise Complaint(f"{model} failed: {engine['last_error']}", EXIT_NO_MODEL)
        if engine["state"] == "stopped" and engine["resting"]:
            raise Complaint(f"{model} was not started: {engine['cause']}", EXIT_NO_MODEL)
        if doing != shown:
            print(f"  {model}: {doing}", file=sys.stderr)
            shown = doing
        if time.monotonic() > until:
            print(f"{model}: {doing}, after {wait_s:g} s. See: mlxd status")
            return EXIT_STILL_LOADING
        time.sleep(LOOK_S)


def confirm(settings: Settings, url: str | None, name: str, capabilities: Sequence[str]) -> int:
    where = only_url(settings, url)
    wanted = list(capabilities) or _claimed(where, settings, name)
    found = True
    for capability in wanted:
        path = f"/models/confirm_capability/{quote(name)}/{quote(capability, safe='')}"
        made = ask(where, path, settings, post=True, timeout_s=CONFIRM_S)
        found = found and made["confirmed"]
        told = "confirmed" if made["confirmed"] else "not confirmed"
        print(f"{capability:{max(map(len, wanted))}}  {told}: {made['detail']}", flush=True)
    return 0 if found else 1


def _claimed(where: str, settings: Settings, name: str) -> list[str]:
    """What it is said to do, as far as it can be asked for."""
    from mlxd.supervisor.confirm import CHECKS

    card = ask(where, f"/v1/models/{quote(name)}", settings)
    return [one for one in card["capabilities"] if one in CHECKS]
