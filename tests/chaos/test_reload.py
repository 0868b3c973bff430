"""Settings that are read again under load touch the models that they change, and no other."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from tests.supervisor.harness import fake, write_model

from .world import World, held, opened

WORDS = "".join(f"w{i} " for i in range(60))
COMMAND = [sys.executable, "-m", "tests.chaos.gateway", json.dumps(fake("--rate", "40")), "serve"]


async def test_only_the_model_that_changed_is_touched(tmp_path: Path) -> None:
    config = tmp_path / "mlxd.toml"
    for name in "abcd":
        write_model(tmp_path / name)

    def write(**models: str) -> None:
        tables = [f'[[models]]\nname = "{tmp_path / m}"\n{more}\n' for m, more in models.items()]
        config.write_text("".join(tables))

    async def reload() -> dict[str, Any]:
        reply = await here.client.post("/admin/reload", b"")
        assert reply.status == 200, reply.body
        return dict(json.loads(reply.body))

    write(a="", b="", c="")
    async with opened(World(tmp_path, COMMAND, [], {"MLXD_CONFIG": str(config)})) as here:
        before = {n: await here.until(n, lambda e: e["state"] == "ready") for n in "abc"}
        asked = [
            asyncio.create_task(here.ask(name, "[[tokens 60]]", stream=stream))
            for name in "abc"
            for stream in (True, False)
        ]
        with contextlib.ExitStack() as held_up:
            for name in "abc":
                held_up.enter_context(held(here, name, "decoding"))
            for name in "abc":
                await here.until(name, lambda e: e["running"] == 2)
            # Another model in the place of b.
            write(a="", d="", c="")
            assert await reload() == {
                "changed": ["models"],
                "restarted": [],
                "started": ["d"],
                "remotes": [],
                "needs_restart_of_the_service": [],
            }
            await here.until("d", lambda e: e["state"] == "ready")
        assert [outcome.text for outcome in await asyncio.gather(*asked)] == [WORDS] * 6
        await here.until("b", lambda e: e["state"] == "stopped")
        # How long a model may be idle is no reason to load it again.
        write(a="", d="", c="idle_timeout = 0.2")
        told = await reload()
        assert (told["changed"], told["restarted"]) == (["models"], [])
        rested = await here.until("c", lambda e: e["state"] == "stopped")
        assert rested["cause"].startswith("idle for 0.2 s")
        after = await here.engine("a")
        assert (after["pid"], after["restarts"]) == (before["a"]["pid"], 0)
        assert rested["restarts"] == 0
