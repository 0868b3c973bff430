"""A supervisor over fake engines: real processes, real signals, short limits."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
from tests.fakes.engine import HELD, HELD_AT
from tests.processes import PATIENCE_S, beneath

from mlxd import wire
from mlxd.settings import ModelSettings, ServerSettings, Settings
from mlxd.supervisor.opening import open_for
from mlxd.supervisor.pulse import Limits
from mlxd.supervisor.requests import Answer
from mlxd.supervisor.slot import Slot
from mlxd.supervisor.supervisor import Supervisor

ROOT = Path(__file__).parents[2]
MAIN = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.fakes.engine import main; main()"
# Of it, an engine that is held has made a third.
LONG = "[[tokens 60]]"
# Long enough for a heartbeat of 0.1 s on a machine that has other things to do.
SHORT = Limits(starting=20.0, loading=2.0, warming=2.0, idle=2.0, step_floor=2.0, lost=2.0)


def fake(*switches: str) -> tuple[str, ...]:
    return (sys.executable, "-c", MAIN, "--heartbeat", "0.1", *switches)


def write_model(folder: Path) -> Path:
    """What the catalogue needs to see; the fake engine never opens it."""
    folder.mkdir(parents=True)
    config = {"model_type": "qwen3_vl", "max_position_embeddings": 4096, "vision_config": {}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ tools }}")
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (folder / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + bytes(4)
    )
    return folder


@contextlib.asynccontextmanager
async def supervised(
    folder: Path,
    *switches: str,
    limits: Limits = SHORT,
    queue_limit: int = 256,
    drain_s: float = 5.0,
) -> AsyncIterator[tuple[Supervisor, Slot]]:
    """Ends with the assertion that no process is left."""
    model = write_model(folder / "fake")
    settings = Settings(
        models=[ModelSettings(name=str(model))],
        data_dir=folder / "data",
        server=ServerSettings(queue_limit=queue_limit, drain_timeout=drain_s),
    )
    opening = open_for(settings)
    catalogue = opening.catalogue
    service = Supervisor(
        settings, catalogue, command=fake(*switches), limits=limits, assigned=opening.assigned
    )
    async with service:
        slot = service.slot(catalogue.configured[0])
        try:
            yield service, slot
        finally:
            async with asyncio.timeout(PATIENCE_S):
                await service.close()
    assert engines() == []
    assert list((folder / "data" / "run").iterdir()) == []


def engines() -> list[psutil.Process]:
    return beneath(os.getpid(), "--heartbeat")


def request(prompt: str, **more: object) -> wire.Submit:
    return wire.Submit(0, wire.Text(prompt), **more)  # type: ignore[arg-type]


def words(count: int) -> str:
    return "".join(f"w{i} " for i in range(count))


async def read(stream: Answer) -> str:
    """The whole text, with everything that must be true of any stream."""
    parts: list[str] = []
    finished = 0
    async with asyncio.timeout(PATIENCE_S):
        async for events in stream:
            assert events
            assert not finished
            parts += [event.text for event in events]
            finished = sum(event.finish is not None for event in events)
    await stream.aclose()
    assert finished == 1
    return "".join(parts)


async def held(slot: Slot, count: int) -> list[Answer]:
    """Answers that the engine does not go on with, until `release`, and the next one neither."""
    (slot.entry.path / HELD).write_text("decoding")
    streams = [slot.generate(request(LONG)) for _ in range(count)]
    # The first one there holds the others, wherever they are.
    await until(
        lambda: (
            slot.book.running == count and any(len(stream.tokens) == HELD_AT for stream in streams)
        )
    )
    return streams


def release(slot: Slot) -> None:
    (slot.entry.path / HELD).unlink()


def hurt(slot: Slot, number: int) -> None:
    """Its engine, and never what has no number: 0 would be everybody here."""
    assert slot.pid
    os.kill(slot.pid, number)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - what is waited for is seen from outside only
            await asyncio.sleep(0.005)
