"""The gateway is killed: its desk, and what that has started, goes with it."""

import asyncio
import sys
from pathlib import Path

import httpx2
import psutil
import pytest
from tests.processes import ORPHAN_S, PATIENCE_S, POLL_S, beneath, soon_left, stands_still

from .world import World, world

STATES = ("starting", "ready", "busy", "standing still")


async def met(here: World, state: str) -> list[psutil.Process]:
    """The desk in this state, and whatever runs beneath it."""
    assert here.process is not None
    asking = asyncio.create_task(here.client.get("/documents"))
    async with asyncio.timeout(PATIENCE_S):
        while not (found := beneath(here.process.pid, "mlxd.desk")):  # noqa: ASYNC110 - from outside
            await asyncio.sleep(POLL_S)
        # What it has just forked still has its command line.
        desk = found[0]
        if state == "starting":
            while not _imports(desk):  # noqa: ASYNC110 - the same
                await asyncio.sleep(POLL_S)
            return found
        assert (await asking).status == 200
        if state == "busy":
            # Its job asks a model that never answers.
            async with httpx2.AsyncClient(base_url=here.url, timeout=PATIENCE_S) as http:
                file = ("long.txt", b"The ibex was there before. " * 200)
                assert (await http.post("/documents", files={"file": file})).is_success
            await here.until("a", lambda e: e["running"])
        if state == "standing still":
            desk.suspend()
            while not stands_still(desk):  # noqa: ASYNC110 - its threads stop one by one
                await asyncio.sleep(POLL_S)
    return [desk, *beneath(desk.pid)]


def _imports(desk: psutil.Process) -> bool:
    """It has begun to load the libraries that take it seconds."""
    return "pydantic_core" in Path(f"/proc/{desk.pid}/maps").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc; only Linux ends the stopped")
@pytest.mark.parametrize("state", STATES)
async def test_a_killed_gateway_takes_its_desk_along(tmp_path: Path, state: str) -> None:
    async with world(tmp_path, ["a"], "--script", "[[wait 1000]]") as here:
        family = await met(here, state)
        here.kill()
        assert await soon_left(family, ORPHAN_S) == []
