"""The gateway itself is killed, or started again under load."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx2
import pytest
from tests.processes import ORPHAN_S, PATIENCE_S, soon_left, stands_still

from mlxd.supervisor import ledger

from .world import World, held, opened, same_process, world

# A state that lasts, for each engine; the gateway's death meets all of them at once.
STATES = {
    "starting": "stopped",
    "loading": "stopped",
    "idle": "ready",
    "prefilling": "[[wait 1000]] [[tokens 5]]",
    "decoding": "[[tokens 10000]]",
    "draining": "[[tokens 10000]]",
}
SLOW_START = ("--start-seconds", "0.5", "--load-seconds", "0.8", "--rate", "20")


async def everywhere(here: World) -> list[asyncio.Task[object]]:
    """Each engine in the state that it is called like."""
    asked: list[asyncio.Task[object]] = []
    for name, prompt in STATES.items():
        await here.until(name, lambda e: e["state"] == "ready")
        if prompt.startswith("[["):
            for stream in (True, False):
                asked.append(asyncio.create_task(here.ask(name, prompt, stream=stream)))
            await here.until(name, lambda e: e["running"] == 2)
    await here.control("draining", "stop")
    await here.until("draining", lambda e: e["state"] == "draining")
    for name in ("loading", "starting"):
        await here.control(name, "stop")
        await here.until(name, lambda e: e["state"] == "stopped")
        await here.control(name, "start")
        await here.until(name, lambda e, name=name: e["state"] == name)
    return asked


async def test_killed_it_takes_its_engines_along_from_every_state(tmp_path: Path) -> None:
    # However long it takes to bring the others there, the one that drains goes on with it.
    lasting = {"MLXD_SERVER_DRAIN_TIMEOUT": "1000"}
    async with world(tmp_path, [*STATES], *SLOW_START, **lasting) as here:
        for name in ("loading", "starting"):
            await here.until(name, lambda e: e["state"] == "ready")
        with held(here, "loading", "loading"), held(here, "starting", "starting"):
            asked = await everywhere(here)
            engines = here.engines()
            assert len(engines) == len(STATES)
            here.kill()
        assert await soon_left(engines, ORPHAN_S) == []
        for outcome in await asyncio.gather(*asked):
            assert outcome.kind == "broken"  # type: ignore[attr-defined]
        await here.start()
        assert (await here.ask("idle", "and now?")).text == "and now?"


async def test_what_could_not_end_by_itself_is_ended_by_the_next_start(tmp_path: Path) -> None:
    async with world(tmp_path, ["a", "b"]) as here:
        ready = [await here.until(name, lambda e: e["state"] == "ready") for name in "ab"]
        wedged = [same_process(engine["pid"]) for engine in ready]
        # It does not see that they stand still, and so ends none of them itself.
        assert here.process is not None
        here.process.send_signal(signal.SIGSTOP)
        for engine in ready:
            os.kill(engine["pid"], signal.SIGSTOP)
        # Its threads stop one by one; until then one of them could still see its channel end.
        async with asyncio.timeout(PATIENCE_S):
            while not all(map(stands_still, here.engines())):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
        here.kill()
        assert all(lives() for lives in wedged)
        await here.start()
        assert not any(lives() for lives in wedged)
        assert "left by an earlier run" in here.log.read_text()
        assert (await here.ask("b", "and now?")).text == "and now?"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of the dead")
async def test_even_a_stopped_engine_goes_with_a_killed_gateway(tmp_path: Path) -> None:
    """With the real engine, that asks the kernel for it; while it loads, and when it is ready."""
    command = [sys.executable, "-m", "mlxd", "serve"]
    for moment in ("loading", "ready"):
        async with opened(World(tmp_path / moment, command, [], {})) as here:
            engine = await here.until(
                "pilot",
                lambda e, moment=moment: e["pid"] and e["state"] in (moment, "ready"),
            )
            engines = here.engines()
            os.kill(engine["pid"], signal.SIGSTOP)
            here.kill()
            assert await soon_left(engines, ORPHAN_S) == []


async def test_started_again_under_load_every_request_has_one_end(tmp_path: Path) -> None:
    """Those that run may finish; those that come meanwhile are refused, or find no server yet."""
    async with world(tmp_path, ["a"], "--rate", "40") as here:
        await here.until("a", lambda e: e["state"] == "ready")
        over = False
        counts = {"answered": 0, "refused": 0, "broken": 0}

        async def client(number: int) -> None:
            while not over:
                asked_of, excused = here.process, ending
                outcome = await here.ask("a", "[[tokens 20]]", stream=bool(number % 2))
                counts[outcome.kind] += 1
                if outcome.kind == "answered":
                    assert outcome.text == "".join(f"w{i} " for i in range(20))
                elif outcome.kind == "broken":
                    # Only before it was taken: no connection, or one that was let go of unused.
                    assert outcome.status == 0, outcome
                    changed = here.process is not asked_of or here.process.poll() is not None
                    assert changed or excused or ending
                    await asyncio.sleep(0.05)

        ending = False
        clients = [asyncio.create_task(client(number)) for number in range(8)]
        for _ in range(3):
            await asyncio.sleep(0.3)
            ending = True
            assert await here.end() == 0
            await here.start()
            ending = False
        # They are answered again, whatever the last end has done to them.
        served = counts["answered"]
        async with asyncio.timeout(PATIENCE_S):
            while counts["answered"] < served + 2 * len(clients):  # noqa: ASYNC110 - by the clients
                await asyncio.sleep(0.05)
        over = True
        await asyncio.gather(*clients)


async def test_a_hang_up_while_it_starts_does_not_end_it(tmp_path: Path) -> None:
    async with world(tmp_path, ["a"]) as here:
        assert await here.end() == 0
        here.process = process = here.spawn()
        async with asyncio.timeout(PATIENCE_S):
            # Its first engine is started before it imports what it needs itself.
            while not here.engines():  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.005)
        process.send_signal(signal.SIGHUP)
        await here.answers()
        assert (await here.ask("a", "hello")).text == "hello"


async def test_no_memory_is_answered_with_the_numbers_after_who_idles_was_evicted(
    tmp_path: Path,
) -> None:
    kv = 1_000_000_000
    each = ledger.PROCESS_BYTES + kv
    limits = {
        "MLXD_ENGINE_KV_BUDGET": str(kv),
        "MLXD_ENGINE_MEMORY_BUDGET": str(2 * each + each // 2),
    }
    async with world(tmp_path, ["a", "b", "c"], "--rate", "20", **limits) as here:
        for name in ("a", "b"):
            await here.until(name, lambda e: e["state"] == "ready")
        assert (await here.ask("b", "hello")).text == "hello"
        # a has been idle for longer.
        assert (await here.ask("c", "hello", stream=True)).text == "hello"
        assert "evicted: c needs the memory" in (await here.engine("a"))["cause"]
        busy = [asyncio.create_task(here.ask(name, "[[tokens 30]]", stream=True)) for name in "bc"]
        with held(here, "b", "decoding"), held(here, "c", "decoding"):
            for name in "bc":
                await here.until(name, lambda e: e["running"] == 1)
            async with httpx2.AsyncClient(base_url=here.url, timeout=PATIENCE_S) as http:
                body = {"model": "a", "messages": [{"role": "user", "content": "hello"}]}
                refused = await http.post("/v1/chat/completions", json=body)
        assert refused.status_code == 503
        assert float(refused.headers["retry-after"]) > 0
        told = refused.json()["error"]["message"]
        for number in (
            "a needs about 1.3 GB",
            "budget is 3.2 GB",
            "2.6 GB of it are held",
            "missing",
        ):
            assert number in told, told
        for outcome in await asyncio.gather(*busy):
            assert outcome.text.endswith("w29 ")
        assert (await here.ask("a", "and now?")).text == "and now?"
