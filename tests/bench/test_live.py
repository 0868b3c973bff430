"""The client against a real server process with a real (tiny, random) model."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model
from bench.servers import MLX_LM, Running, running

from mlxd.bench import Plan, Target, Unusable, measure


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny", SHAPES["tiny"])


@pytest.fixture
async def started(model: Path) -> AsyncIterator[tuple[Running, Target]]:
    async with running(MLX_LM, model, "test") as pair:
        yield pair


SMALL = Plan(
    rounds=1, long_rounds=1, prompt_tokens=300, clients=(1, 3), tokens_each=12,
    chat_tokens=400, prefill_tokens=600,
)  # fmt: skip


async def test_everything_is_measured_and_the_process_is_gone_afterwards(
    started: tuple[Running, Target],
) -> None:
    instance, target = started
    measured = measure(target, SMALL, lambda _: None, instance.cpu_by_process)
    found = {one.name: one async for fresh in measured for one in fresh}
    for name, one in found.items():
        assert not one.faults, (name, one.faults)
        # A few tokens may pass without a moment in which all the streams run.
        if not name.startswith("steady"):
            assert one.median is not None, name
            # Tokens that arrive together have no gap between them.
            assert one.median > 0 or name.startswith("gap"), name
    assert found["throughput, 3 clients"].notes["counted by"] == "usage"
    assert found["throughput, 3 clients"].notes["tokens"] == 36
    instance.stop()
    assert instance.process.poll() is not None
    assert instance.family() == []


async def test_a_model_that_cannot_be_served_is_told_with_the_servers_own_words(
    tmp_path: Path,
) -> None:
    with pytest.raises(Unusable, match=r"(?s)mlx_lm.server gave no answer.*last output"):
        async with running(MLX_LM, tmp_path / "nothing", "test"):
            pass


async def test_the_command_prints_the_comparison_as_json(
    started: tuple[Running, Target], model: Path
) -> None:
    url = started[0].url
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from mlxd.cli import main; main()", "bench", "--json",
        "--url", f"one={url}", "--url", f"two={url}/v1", "--model", str(model),
        "--scenario", "throughput", "--clients", "2", "--rounds", "1", "--tokens", "8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, progress = await process.communicate()
    assert process.returncode == 0, progress.decode()
    found = json.loads(out)
    assert list(found["servers"]) == ["one", "two"]
    assert found["one is times better than"]["two"]["throughput, 2 clients"] > 0
    assert b"two: throughput, 2 clients: " in progress
