"""Asking the running service, over HTTP like everyone else."""

import json
import urllib.error
import urllib.request
from typing import Any

from mlxd.settings import Settings
from mlxd.supervisor.record import living_gateways

from .complaint import Complaint

EXIT_NOT_RUNNING = 3
TIMEOUT_S = 5.0


def only_url(settings: Settings, url: str | None) -> str:
    """The service to talk to: the one that was named, or the one of this data folder."""
    urls = [url] if url else [file.url for file in living_gateways(settings.data_dir)]
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
