"""The server before an engine of its own notices at once that this engine is gone."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psutil
import pytest

from mlxd.catalog import inspect
from mlxd.catalog.catalogue import pilot_path
from mlxd.referee.scripted import COMMAND
from mlxd.referee.straight import straight
from mlxd.settings import load

# Far longer than it takes; without a word of the end it would be for ever.
PATIENCE_S = 60.0
pytestmark = pytest.mark.timeout(4 * PATIENCE_S)
ASKED = {"messages": [{"role": "user", "content": "Reply only OK"}], "max_tokens": 8}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[tuple[str, psutil.Process]]:
    bundled = pilot_path()
    assert bundled
    before = set(psutil.Process().children())
    async with straight(inspect(bundled), load(), tmp_path / "log", COMMAND) as url:
        (child,) = set(psutil.Process().children()) - before
        yield url, child


async def test_it_says_so_to_who_asks_after_the_end(engine: tuple[str, psutil.Process]) -> None:
    url, child = engine
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
        good = await client.post("/v1/chat/completions", json=ASKED)
        child.kill()
        bad = [await client.post("/v1/chat/completions", json=ASKED) for _ in range(2)]
        vectors = await client.post("/v1/embeddings", json={"input": "text"})
    assert good.json()["choices"][0]["message"]["content"] == "OK"
    assert {one.status_code for one in (*bad, vectors)} == {500}
    assert {one.json()["error"]["message"] for one in (*bad, vectors)} == {"the engine is gone"}


async def test_who_waits_is_told_too(engine: tuple[str, psutil.Process]) -> None:
    url, child = engine
    child.send_signal(signal.SIGSTOP)
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
        asked = [
            asyncio.create_task(client.post(path, json=body))
            for path, body in (
                ("/v1/chat/completions", ASKED),
                ("/v1/completions", {"prompt": "One", "max_tokens": 4}),
                ("/v1/embeddings", {"input": "text"}),
            )
        ]
        # They have arrived once the server answers another one.
        assert (await client.get("/v1/models")).status_code == 200
        child.kill()
        answers = await asyncio.gather(*asked)
    assert {one.status_code for one in answers} == {500}
