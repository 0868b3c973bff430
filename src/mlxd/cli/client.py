"""The running service as a client with streams and uploads; refusals in the service's own words."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx2

from mlxd.settings import Settings

from .complaint import Complaint
from .service import EXIT_NOT_RUNNING, only_url

# The desk may have to be started first, and a large file to be sent.
TIMEOUT_S = 300.0


class Client:
    def __init__(self, settings: Settings, url: str | None) -> None:
        self.url = only_url(settings, url)
        token = settings.server.token
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT_S,
            # Our own service on this machine: a proxy from the environment has no part in it.
            trust_env=False,
        )

    def get(self, path: str, **query: Any) -> Any:
        return self.ask("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> Any:
        return self.ask("POST", path, json=body)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        with self._spoken():
            response = self._http.request(method, path, **more)
            if not response.is_success:
                raise Complaint(_told(response))
            return response.json()

    def exists(self, path: str) -> Any:
        """What is there, or None."""
        with self._spoken():
            response = self._http.get(path)
            if response.status_code == 404:
                return None
            if not response.is_success:
                raise Complaint(_told(response))
            return response.json()

    def events(self, method: str, path: str, **more: Any) -> Iterator[tuple[str, Any]]:
        """Server-sent events as they come: their names and what they carry."""
        headers = {"accept": "text/event-stream"}
        with (
            self._spoken(),
            self._http.stream(method, path, headers=headers, **more) as response,
        ):
            if not response.is_success:
                response.read()
                raise Complaint(_told(response))
            name = "message"
            for line in response.iter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    yield name, json.loads(line[6:])
                    name = "message"

    @contextlib.contextmanager
    def _spoken(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            told = f"{self.url} does not answer: {error or type(error).__name__}"
            raise Complaint(told, EXIT_NOT_RUNNING) from error


def _told(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url} answered {response.status_code}"
