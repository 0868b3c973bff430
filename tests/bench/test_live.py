"""The client against a real server process with a real (tiny, random) model."""

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
            assert one.median > 0, name
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
