"""A gateway as users start it, with engines that can be hurt, and everything seen from outside."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
from tests.fakes.engine import HELD
from tests.ports import free_port
from tests.processes import ORPHAN_S, PATIENCE_S, end, runs, soon_left, words
from tests.supervisor.harness import ROOT, fake, write_model

from mlxd.bench.http import Client, Reply, Watch

from .outcome import Outcome, judge

POLL_S = 0.03
WATCH_EVERY_S = 0.1
# In the environment of all processes of a world: whose they are is known though they be orphans.
MARK = "CHAOS_WORLD"


class World:
    """One service on one port and one data folder; it may be killed and started again."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        models: Sequence[Path],
        environment: dict[str, str],
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.models = folder
        self.data = folder / "data"
        self.log = folder / "gateway.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = Client(self.url, limit=PATIENCE_S)
        named = [part for model in models for part in ("--model", str(model))]
        self._command = [*command, *named, "--port", str(self.port), "--data-dir", str(self.data)]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLXD_")}
        here = {"MLXD_CONFIG": os.devnull, MARK: str(self.data)}
        self._environment = {**inherited, **here, **environment}
        self.process: subprocess.Popen[bytes] | None = None
        # Of each model, the most processes that were seen at the same time.
        self.most: dict[str, int] = {}

    def spawn(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment, cwd=ROOT
            )

    async def start(self) -> None:
        """Until it answers; its engines may still be on their way."""
        self.process = self.spawn()
        await self.answers()

    async def answers(self) -> None:
        assert self.process is not None
        async with asyncio.timeout(PATIENCE_S):
            while (await self.client.get("/health")).status != 200:
                assert self.process.poll() is None, self.log.read_text()
                await asyncio.sleep(POLL_S)

    async def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            while (code := self.process.poll()) is None:  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(POLL_S)
        self.client.close()
        return code

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    # --- seen from outside -------------------------------------------------------------------

    def engines(self, model: str = "") -> list[psutil.Process]:
        """Every engine process of this service that runs, whoever its parent is by now."""
        found: dict[int, tuple[psutil.Process, int]] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                if "--fd" not in line or model not in ("", _of(line, "--name")):
                    continue
                if process.environ().get(MARK) == str(self.data) and runs(process):
                    found[process.pid] = process, process.ppid()
        # What an engine has just forked has its command line until it is something else. A look
        # takes its time: one that was seen early may have made room for one that was seen late.
        return [one for one, parent in found.values() if parent not in found and runs(one)]

    async def watch(self) -> None:
        """Until cancelled: no model ever has two processes."""
        while True:
            lines = map(words, self.engines())
            names = Counter(name for line in lines if (name := _of(line, "--name")))
            self.most = {**self.most, **{n: max(c, self.most.get(n, 0)) for n, c in names.items()}}
            await asyncio.sleep(WATCH_EVERY_S)

    async def engine(self, model: str) -> dict[str, Any]:
        status = json.loads((await self.client.get("/status")).body)
        engine: dict[str, Any] = status["engines"][model]
        return engine

    async def until(self, model: str, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while not true(found := await self.engine(model)):  # noqa: ASYNC110 - the same
                await asyncio.sleep(POLL_S)
        return found

    async def control(self, model: str, what: str) -> None:
        assert (await self.client.post(f"/engines/{model}/{what}", b"")).status == 200

    async def assign(self, capability: str, model: str | None) -> None:
        wanted = json.dumps({"model_id": model}).encode()
        reply = await self.client.post(f"/models/global_capability/{capability}", wanted)
        assert reply.status == 200, reply.body

    # --- asking ------------------------------------------------------------------------------

    async def send(self, body: dict[str, Any], watch: Watch | None = None) -> Reply:
        return await self.client.post("/v1/chat/completions", json.dumps(body).encode(), watch)

    async def ask(self, model: str, prompt: str, **more: Any) -> Outcome:
        messages = [{"role": "user", "content": prompt}]
        return await self.chat({"model": model, "messages": messages, **more})

    async def chat(self, body: dict[str, Any], watch: Watch | None = None) -> Outcome:
        if body.get("stream"):
            body = {**body, "stream_options": {"include_usage": True}}
        return judge(await self.send(body, watch), bool(body.get("stream")))


@contextlib.asynccontextmanager
async def world(
    folder: Path, names: Sequence[str], *switches: str, **environment: str
) -> AsyncIterator[World]:
    """With fake engines. Ends with the assertion that no process is left."""
    models = [folder / name for name in names]
    for model in models:
        if not model.exists():
            write_model(model)
    command = [sys.executable, "-m", "tests.chaos.gateway", json.dumps(fake(*switches)), "serve"]
    async with opened(World(folder, command, models, environment)) as made:
        yield made


@contextlib.asynccontextmanager
async def opened(made: World) -> AsyncIterator[World]:
    await made.start()
    watching = asyncio.create_task(made.watch())
    try:
        yield made
        watching.cancel()
        assert max(made.most.values(), default=0) <= 1, made.most
        assert made.process is not None
        in_order = made.process.poll() is None
        if in_order:
            assert await made.end() == 0, made.log.read_text()[-4000:]
        # Of one that was killed they see the end of their channel first.
        assert await soon_left(made.engines(), 0.0 if in_order else ORPHAN_S) == []
    finally:
        watching.cancel()
        made.client.close()
        made.kill()
        end(made.engines())


@contextlib.contextmanager
def held(here: World, model: str, state: str) -> Iterator[None]:
    """Its engine stays in this state meanwhile, however long it takes to see it there."""
    file = here.models / model / HELD
    file.write_text(state)
    try:
        yield
    finally:
        file.unlink()


def _of(line: Sequence[str], option: str) -> str:
    return line[line.index(option) + 1] if option in line[:-1] else ""


def same_process(pid: int) -> Callable[[], bool]:
    """Tells later whether the process that has this number now still runs."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return lambda: False
    return lambda: runs(process)
