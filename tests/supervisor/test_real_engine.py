"""The answer survives a real engine with a real (random-weight) model."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model

from mlxd import wire
from mlxd.catalog import Catalogue
from mlxd.settings import ModelSettings, Settings
from mlxd.supervisor.policy import State
from mlxd.supervisor.supervisor import Supervisor

from .harness import PATIENCE_S, until


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny", SHAPES["tiny"])


async def read(stream: object) -> tuple[str, wire.Event]:
    text, last = "", None
    async with asyncio.timeout(PATIENCE_S):
        async for events in stream:  # type: ignore[attr-defined]
            text += "".join(event.text for event in events)
            last = events[-1]
    assert last is not None
    return text, last


async def test_killed_in_the_middle_the_text_is_the_same(tmp_path: Path, model: Path) -> None:
    settings = Settings(models=[ModelSettings(name=str(model))], data_dir=tmp_path / "data")
    catalogue = Catalogue(settings.models)
    chat = wire.Chat([wire.Message("user", [wire.TextPart("Tell me more.")])])
    greedy = wire.Submit(0, chat, wire.Sampling(temperature=0), max_tokens=300)
    seeded = wire.Submit(0, chat, wire.Sampling(temperature=1.0, seed=7), max_tokens=300)
    async with Supervisor(settings, catalogue) as service:
        card = service.resolve("tiny", needs="text")
        slot = service.slot(catalogue.configured[0])
        asked = [greedy, seeded, greedy]
        undisturbed = await asyncio.gather(*(read(service.generate(card, s)) for s in asked))
        streams = [slot.generate(submit) for submit in asked]
        reading = [asyncio.create_task(read(stream)) for stream in streams]
        await until(lambda: all(len(stream.tokens) > 50 for stream in streams))
        assert not any(task.done() for task in reading)
        os.kill(slot.pid or 0, signal.SIGKILL)
        disturbed = await asyncio.gather(*reading)
        assert slot.restarts == 1
        for (text, last), (expected, before) in zip(disturbed, undisturbed, strict=True):
            assert text == expected
            assert last.finish == before.finish
            assert last.usage is not None
            assert before.usage is not None
            assert last.usage.completion == before.usage.completion
        await service.close()
        assert slot.state is State.STOPPED
