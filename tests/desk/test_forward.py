"""The gateway's guards hold for the desk too, and the desk comes back when it dies."""

import time
from pathlib import Path
from typing import Any

import pytest

from mlxd.gateway import desk as forwarding
from mlxd.settings import Settings
from mlxd.supervisor.desk import Desk

from .service import Service, eventually

pytestmark = pytest.mark.timeout(600)


class Nobody:
    def add(self, pid: int, what: str) -> None:
        raise AssertionError(what)

    def drop(self, pid: int) -> None:
        raise AssertionError(pid)


def test_limits_and_token_are_the_gateways(folder: Path) -> None:
    service = Service(
        folder,
        MLXD_DOCUMENTS_UPLOAD_LIMIT="100KiB",
        MLXD_DOCUMENTS_TAGS="off",
        MLXD_SERVER_TOKEN="secret",
    )
    try:
        assert service.http.get("/documents").status_code == 401
        assert service.desk() is None, "a refused request must not start it"
        service.http.headers["authorization"] = "Bearer secret"
        other = service.http.get("/documents", headers={"origin": "https://evil.example"})
        assert other.status_code == 403
        large = service.http.post("/documents", files={"file": ("large.txt", bytes(200_000))})
        assert large.status_code == 413
        assert "documents.upload_limit" in large.json()["error"]["message"]
        assert service.http.put("/documents").status_code == 405
        assert service.http.get("/documents/none").json()["error"]["code"] == "document_not_found"
        assert service.indexed(("small.txt", b"A small text passes."))
    finally:
        assert service.end() == 0


def test_a_killed_desk_is_started_again(service: Service) -> None:
    service.indexed(("before.txt", b"The ibex was there before."))
    first = service.desk()
    assert first is not None
    first.kill()

    def another() -> bool:
        desk = service.get("/status")["desk"]
        return bool(desk["state"] == "ready" and desk["pid"] != first.pid)

    eventually(another)
    assert service.search("ibex")
    second = service.desk()
    assert second is not None
    assert second.pid != first.pid


def test_an_idle_desk_ends_and_comes_back(folder: Path) -> None:
    service = Service(folder, MLXD_DOCUMENTS_IDLE_TIMEOUT="1", MLXD_DOCUMENTS_TAGS="off")
    try:
        service.indexed(("idle.txt", b"The dormouse sleeps all winter."))
        eventually(lambda: service.get("/status")["desk"]["state"] == "stopped")
        assert service.desk() is None
        assert service.search("dormouse")
    finally:
        assert service.end() == 0


async def test_a_request_without_the_libraries_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forwarding, "_NEEDED", ("dbos", "no_such_library"))
    [route, *_] = forwarding.routes(Desk(Settings(), Nobody(), ""), Settings())
    scope = {"type": "http", "method": "GET", "path": "/documents", "headers": []}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await route.app(scope, receive, send)
    assert sent[0]["status"] == 501
    assert b"no_such_library" in sent[1]["body"]
    assert b"pip install 'mlxd[docs]'" in sent[1]["body"]


def test_events_come_as_they_happen(service: Service) -> None:
    [taken] = service.add(("soon.txt", b"Soon it is read."))
    service.until_state(taken["job"], "done")
    began = time.monotonic()
    with service.http.stream("GET", "/jobs/events") as response:
        first = next(line for line in response.iter_lines() if line.startswith("data: "))
    assert first
    assert time.monotonic() - began < 30
