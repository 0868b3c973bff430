"""`mlxd status`"""

import json
import urllib.error
import urllib.request
from typing import Any

from mlxd.settings import Settings
from mlxd.supervisor.record import living_gateways

EXIT_NOT_RUNNING = 3
TIMEOUT_S = 5.0


def run(settings: Settings, url: str | None, *, as_json: bool) -> int:
    urls = [url] if url else [file.url for file in living_gateways(settings.data_dir)]
    found = {one: _ask(one.rstrip("/"), settings.server.token) for one in urls}
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    return 0 if any("engines" in answer for answer in found.values()) else EXIT_NOT_RUNNING


def _ask(url: str, token: str | None) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        # Our own service on this machine: a proxy from the environment has no part in it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"{url}/status", headers=headers)
        with opener.open(request, timeout=TIMEOUT_S) as response:
            answer = json.load(response)
    except (urllib.error.URLError, OSError, ValueError) as error:
        return {"error": f"{url} does not answer: {error}"}
    return answer if isinstance(answer, dict) else {"error": f"{url} is not mlxd"}


def _print(found: dict[str, dict[str, Any]]) -> None:
    if not found:
        print("mlxd is not running. Start it: mlxd serve --model NAME|DIR")
    for url, answer in found.items():
        print(url)
        if "engines" not in answer:
            print(f"  {answer.get('error', 'it has no /status')}")
            continue
        for name, engine in answer["engines"].items():
            since = f"for {engine['seconds']:.0f} s"
            line = f"  {name}  {engine['state']} {since}  running {engine['running']}"
            line += f"  waiting {engine['waiting']}  restarts {engine['restarts']}"
            print(line + (f"  pid {engine['pid']}" if engine["pid"] else ""))
            if engine["last_error"]:
                print(f"    last error: {engine['last_error']}")
