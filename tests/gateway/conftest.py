import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
import uvicorn
from tests.processes import PATIENCE_S

from mlxd.gateway.app import create_app
from mlxd.gateway.config import uvicorn_config
from mlxd.settings import ImageSettings, ServerSettings

from .raw import Raw
from .service import FakeService


@dataclass
class Gateway:
    service: FakeService
    port: int
    client: httpx2.AsyncClient
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def chat(self, prompt: str = "hello there", **more: object) -> httpx2.Response:
        body = {"model": "fake", "messages": [{"role": "user", "content": prompt}], **more}
        return await self.client.post("/v1/chat/completions", json=body)

    async def still_works(self) -> None:
        """The same engine answers, and holds nothing."""
        answer = await self.chat("all is well")
        assert answer.status_code == 200
        assert answer.json()["choices"][0]["message"]["content"] == "all is well"
        await self.service.idle()


class _Server(uvicorn.Server):
    up: asyncio.Event

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def serving(
    *switches: str,
    server: ServerSettings | None = None,
    images: ImageSettings | None = None,
    port: int = 0,
) -> AsyncIterator[Gateway]:
    server = server or ServerSettings()
    async with FakeService(*switches).open() as service:
        app = create_app(service, server, images or ImageSettings())
        config = uvicorn_config(
            app, server, host="127.0.0.1", port=port, timeout_graceful_shutdown=1
        )
        running = _Server(config)
        running.up = asyncio.Event()
        task = asyncio.create_task(running.serve())
        await running.up.wait()
        port = running.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
            yield Gateway(service, port, client, running)
        await Raw.close_all()
        running.should_exit = True
        await task


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def gateway(anyio_backend: str) -> AsyncIterator[Gateway]:
    async with serving() as made:
        yield made
