import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from tests.supervisor.harness import fake, write_model

from mlxd.gateway import admin
from mlxd.gateway.app import create_app
from mlxd.gateway.config import uvicorn_config
from mlxd.remotes import RemoteSettings
from mlxd.settings import ImageSettings, ModelSettings, ServerSettings, Settings
from mlxd.supervisor.opening import open_for
from mlxd.supervisor.remote import upstream
from mlxd.supervisor.supervisor import Supervisor

from .hostile import Hostile

KEY = "sk-very-secret-0123456789"
MODELS = [
    name.removeprefix("do_").replace("_", "-") for name in dir(Hostile) if name.startswith("do_")
]


@dataclass
class Here:
    service: Supervisor
    client: httpx2.AsyncClient
    hostile: Hostile
    settings: Settings

    async def chat(self, model: str, **more: Any) -> httpx2.Response:
        return await self.client.post("/v1/chat/completions", json=body(model, **more))

    async def status(self, name: str = "far") -> dict[str, Any]:
        made: dict[str, Any] = (await self.client.get("/status")).json()["remotes"][name]
        return made

    def there(self, what: str) -> int:
        """How many are running or waiting."""
        return int(self.service.status()["remotes"]["far"][what])


def body(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}


class _Server(uvicorn.Server):
    up: asyncio.Event

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def here(
    folder: Path, hostile: Hostile, queue_limit: int = 8, **more: Any
) -> AsyncIterator[Here]:
    """A gateway with a fake engine, which is not started, and the hostile server as its remote."""
    model = folder / "fake"
    if not model.exists():
        write_model(model)
    values = {"models": {f"far-{name}": name for name in MODELS}, "key_env": "FAR_KEY"}
    far = RemoteSettings(name="far", url=hostile.url, **{**values, **more})
    settings = Settings(
        models=[ModelSettings(name=str(model))],
        remotes=[far],
        data_dir=folder / "data",
        server=ServerSettings(queue_limit=queue_limit, drain_timeout=0.2),
    )
    opening = open_for(settings)
    service = Supervisor(settings, opening.catalogue, command=fake(), assigned=opening.assigned)
    async with service:
        routes = admin.routes(service, settings.server, lambda: None)
        app = create_app(service, settings.server, ImageSettings(), routes=routes)
        running = _Server(uvicorn_config(app, settings.server, host="127.0.0.1", port=0))
        running.up = asyncio.Event()
        task = asyncio.create_task(running.serve())
        await running.up.wait()
        port = running.servers[0].sockets[0].getsockname()[1]
        try:
            async with httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=60
            ) as client:
                yield Here(service, client, hostile, settings)
        finally:
            running.should_exit = True
            await task


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    monkeypatch.setattr(upstream, "PAUSES_S", (0.0, 0.01, 0.02))


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with Hostile().open() as made:
        yield made


@pytest.fixture
async def far(tmp_path: Path, hostile: Hostile) -> AsyncIterator[Here]:
    async with here(tmp_path, hostile) as made:
        yield made
