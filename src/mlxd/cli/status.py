"""`mlxd status`"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from mlxd.settings import Settings
from mlxd.supervisor.record import living_gateways

EXIT_NOT_READY = 1
EXIT_NOT_RUNNING = 3
TIMEOUT_S = 5.0


def run(settings: Settings, url: str | None, *, as_json: bool) -> int:
    found = _found(settings, url)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_lines(found, settings)))
    if not any("engines" in answer for answer in found.values()):
        return EXIT_NOT_RUNNING
    return 0 if any(answer.get("ready") for answer in found.values()) else EXIT_NOT_READY


def _found(settings: Settings, url: str | None) -> dict[str, dict[str, Any]]:
    token = settings.server.token
    if url is not None:
        return {url: _ask(url.rstrip("/"), token)}
    urls = [file.url for file in living_gateways(settings.data_dir)]
    found = {one: _ask(one, token) for one in urls}
    if not found:
        # Another user's folder, or another HOME: whoever has the port may be asked all the same.
        server = settings.server
        usual = f"http://{server.host}:{server.port}"
        answer = _ask(usual, token)
        if "engines" in answer or answer.get("asks_for_token"):
            found[usual] = answer
    return found


def _ask(url: str, token: str | None) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    # Our own service on this machine: a proxy from the environment has no part in it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(f"{url}/status", headers=headers)
        with opener.open(request, timeout=TIMEOUT_S) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code == 401 and b"server.token" in error.read():
            told = "it asks for a token: set MLXD_SERVER_TOKEN"
            return {"error": f"{url}: {told}", "asks_for_token": True}
        return {"error": f"{url} is not mlxd: it answers {error.code} for /status"}
    except (urllib.error.URLError, OSError, ValueError) as error:
        return {"error": f"{url} does not answer: {error}"}
    return answer if isinstance(answer, dict) else {"error": f"{url} is not mlxd"}


def _lines(found: dict[str, dict[str, Any]], settings: Settings) -> Iterator[str]:
    if not found:
        yield "mlxd is not running. Start it: mlxd up"
    for url, answer in found.items():
        if "engines" not in answer:
            yield f"{url}\n  {answer.get('error', 'it has no /status')}"
            continue
        folder = answer.get("data_dir", "")
        other = "" if folder in ("", str(settings.data_dir)) else f"  (its data folder is {folder})"
        yield f"{url}{other}"
        rows = [_engine(name, engine) for name, engine in answer["engines"].items()]
        rows += [_remote(name, remote) for name, remote in answer.get("remotes", {}).items()]
        widths = [max(map(len, column)) for column in zip(*(row for row, _ in rows), strict=True)]
        for row, more in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield ("  " + "  ".join(cells)).rstrip()
            yield from (f"    {line}" for line in more)
        yield from _desk(answer.get("desk", {}))
        if not rows:
            yield "  no model; assign one: mlxd models assign CAPABILITY NAME"
        for trouble in answer.get("troubles", []):
            yield f"  ! {trouble}"


def _desk(desk: dict[str, Any]) -> Iterator[str]:
    """The process of documents and agent, once it was wanted."""
    if not desk.get("pid") and desk.get("state") != "failed":
        return
    jobs = f"  jobs {desk['jobs']}" if desk.get("jobs") else ""
    restarts = f"  restarts {desk['restarts']}"
    yield f"  desk  {desk['state']} for {_age(desk['seconds'])}{jobs}{restarts}  pid {desk['pid']}"
    if desk.get("last_error"):
        yield f"    last error: {desk['last_error']}"


def _engine(name: str, engine: dict[str, Any]) -> tuple[list[str], list[str]]:
    row = [
        name,
        f"{doing_of(engine)} for {_age(engine['seconds'])}",
        f"running {engine['running']}",
        f"waiting {engine['waiting']}",
        f"restarts {engine['restarts']}",
        f"pid {engine['pid']}" if engine["pid"] else "",
    ]
    told = [f"last error: {engine['last_error']}"] if engine["last_error"] else []
    if engine.get("explanation"):
        earlier = "" if told or engine["state"] != "ready" else "how the one before it ended: "
        told.append(earlier + engine["explanation"])
    return row, told


def doing_of(engine: dict[str, Any]) -> str:
    """The state, and how far it is where it is on the way."""
    state, progress = engine["state"], engine.get("progress") or {}
    if state == "stopped" and "restart_in" in engine:
        return f"stopped, again in {engine['restart_in']:.0f} s,"
    if state == "stopped" and engine.get("too_big"):
        return "too big for the memory budget"
    if state == "stopped" and engine.get("resting"):
        return "at rest"
    if state == "loading" and progress.get("phase", "loading") != "loading":
        return "warming up"
    if state == "loading" and progress.get("total"):
        return f"loading {100 * progress['done'] // progress['total']} %"
    return str(state)


def _remote(name: str, remote: dict[str, Any]) -> tuple[list[str], list[str]]:
    row = [
        ", ".join(remote["models"]),
        f"{remote['state']}, at {name}",
        f"running {remote['running']}",
        f"waiting {remote['waiting']}",
        f"failed {remote['failed']}",
        remote["url"],
    ]
    when = "earlier" if remote["state"] == "ready" else "last"
    return row, [f"{when} error: {remote['last_error']}"] if remote["last_error"] else []


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
