"""Asking the running service, over HTTP like everyone else."""

import json
import urllib.error
import urllib.request
from typing import Any

from mlxd.settings import Settings
from mlxd.supervisor.record import RunFile, living_gateways, mark

from .complaint import Complaint

EXIT_NOT_RUNNING = 3
TIMEOUT_S = 5.0


def running(settings: Settings) -> list[RunFile]:
    """The services of this data folder: those that have a file there, or the one on the port, where
    the folder can't be written."""
    found = living_gateways(settings.data_dir)
    if found:
        return found
    unwritten = _without_file(settings)
    return [unwritten] if unwritten else []


def _without_file(settings: Settings) -> RunFile | None:
    url = f"http://{settings.server.host}:{settings.server.port}"
    try:
        status = ask(url, "/status", settings)
        folder, pid = status["data_dir"], status["pid"]
    except (Complaint, KeyError, TypeError):
        return None
    if folder != str(settings.data_dir) or not isinstance(pid, int):
        return None
    from mlxd.supervisor.owners import listens

    # What answers may say what it likes; a signal goes only to the process that has the port.
    known = mark(pid) if listens(pid, settings.server.port) else None
    return RunFile(known, url=url) if known else None


def only_url(settings: Settings, url: str | None) -> str:
    """The service to talk to: the one that was named, or the one of this data folder."""
    urls = [url] if url else [file.url for file in running(settings)]
    if not urls:
        raise Complaint("mlxd is not running. Start it: mlxd up", EXIT_NOT_RUNNING)
    if len(urls) > 1:
        raise Complaint(f"Several services run: {', '.join(urls)}. Choose one with --url.", 2)
    return urls[0].rstrip("/")


def ask(
    url: str,
    path: str,
    settings: Settings,
    *,
    body: Any = None,
    post: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """The JSON that came back. A refusal is passed on in the service's own words."""
    token = settings.server.token
    headers = {"authorization": f"Bearer {token}"} if token else {}
    data = json.dumps(body).encode() if post else None
    # Our own service on this machine: a proxy from the environment has no part in it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(f"{url}{path}", data, headers)
        with opener.open(request, timeout=timeout_s) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise Complaint(refusal(error)) from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise Complaint(f"{url} does not answer: {error}", EXIT_NOT_RUNNING) from error


def refusal(error: urllib.error.HTTPError) -> str:
    """In the service's own words."""
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.url} answered {error.code} {error.reason}"
