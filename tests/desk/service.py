"""`mlxd serve` with a desk, as a real process on the bundled model or on the fake engine."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psutil
from tests.processes import PATIENCE_S, beneath

__all__ = ["PATIENCE_S", "Service", "eventually"]
T = TypeVar("T")


class Service:
    """One folder is one service, however often it is started."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.data = folder / "data"
        self._arguments = arguments
        self._environment = environment
        self.output = ""
        self.start()

    def start(self) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLXD_")}
        command = [sys.executable, "-m", "mlxd", "serve", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--data-dir", str(self.data), *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**inherited, "MLXD_CONFIG": os.devnull, **self._environment},
        )
        self.output = ""
        url = self.wait_for(r"listening on (http://\S+)")[1]
        # No connection that the service is about to close for having been idle is used once more.
        limits = httpx2.Limits(keepalive_expiry=1.0)
        self.http = httpx2.Client(base_url=url, timeout=PATIENCE_S, limits=limits, trust_env=False)

    def wait_for(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        until = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.output)) is None:
            left = until - time.monotonic()
            readable, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            data = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            assert data, f"no {pattern!r} in:\n{self.output}"
            self.output += data.decode()
        return found

    def end(self, number: int = signal.SIGTERM) -> int:
        self.http.close()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def desk(self) -> psutil.Process | None:
        return next(iter(beneath(self.process.pid, "mlxd.desk")), None)

    def engine(self) -> psutil.Process | None:
        return next(iter(beneath(self.process.pid, "mlxd.engine")), None)

    # --- what clients do -----------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> Any:
        return _good(self.http.get(path, params=query))

    def post(self, path: str, body: Any = None) -> Any:
        return _good(self.http.post(path, json=body))

    def add(self, *files: tuple[str, bytes], **fields: Any) -> list[dict[str, Any]]:
        sent = [("file", (name, data)) for name, data in files]
        return list(_good(self.http.post("/documents", files=sent, data=fields))["documents"])

    def finished(self, jobs: Iterable[str | None]) -> list[dict[str, Any]]:
        return [self.until_state(job, "done", "failed", "cancelled") for job in jobs if job]

    def until_state(self, job: str, *states: str) -> dict[str, Any]:
        """By the job's own stream, as clients are to wait."""
        with self.http.stream("GET", f"/jobs/{job}/events") as response:
            assert response.status_code == 200
            for line in response.iter_lines():
                if line.startswith("data: "):
                    found = httpx2.Response(200, content=line[6:].encode()).json()
                    if found.get("state") in states:
                        return dict(found)
        raise AssertionError(f"job {job} ended in another state than {states}")

    def indexed(self, *files: tuple[str, bytes], **fields: Any) -> list[dict[str, Any]]:
        taken = self.add(*files, **fields)
        for job in self.finished(one["job"] for one in taken):
            assert job["state"] == "done", job
        return taken

    def assign(self, capability: str, model: str | None) -> None:
        self.post(f"/models/global_capability/{capability}", {"model_id": model})

    def search(self, query: str, **more: Any) -> list[dict[str, Any]]:
        return list(self.post("/search", {"query": query, **more})["results"])


def eventually(look: Callable[[], T | None]) -> T:
    """For what nothing announces: the state of another process."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def _good(response: httpx2.Response) -> Any:
    assert response.is_success, f"{response.status_code}: {response.text}"
    return response.json()
