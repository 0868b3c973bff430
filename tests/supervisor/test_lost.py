"""A row that an engine loses while it works on for the others."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd import pilot, wire
from mlxd.settings import ModelSettings, Settings
from mlxd.supervisor import census
from mlxd.supervisor.contract import RequestFailed
from mlxd.supervisor.opening import open_for
from mlxd.supervisor.requests import Request
from mlxd.supervisor.supervisor import Supervisor

from .harness import PATIENCE_S, read, request, supervised, until, words


@pytest.mark.parametrize("fault", ["drop-once", "lost-once"])
async def test_its_answer_goes_on_and_the_others_notice_nothing(tmp_path: Path, fault: str) -> None:
    async with supervised(tmp_path, "--rate", "200") as (_, slot):
        others = [slot.generate(request("[[tokens 400]]")) for _ in range(2)]
        reading = [asyncio.create_task(read(other)) for other in others]
        assert await read(slot.generate(request(f"[[tokens 60]] [[{fault} 20]]"))) == words(60)
        assert await asyncio.gather(*reading) == [words(400)] * 2
        assert (slot.book.counts.lost, slot.restarts) == (1, 0)


async def test_one_that_is_always_lost_takes_nothing_with_it(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "200") as (_, slot):
        other = asyncio.create_task(read(slot.generate(request("[[tokens 500]]"))))
        # Without tokens there is nothing by which the fake engine would know that it has been here.
        with pytest.raises(RequestFailed, match="engines died while they worked on this"):
            await read(slot.generate(request("[[tokens 60]] [[drop 0]]")))
        assert await other == words(500)
        assert slot.book.counts.lost == 1


async def test_an_engine_that_loses_the_same_one_again_is_replaced(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "100") as (_, slot):
        with pytest.raises(RequestFailed, match="2 engines died"):
            await read(slot.generate(request("[[tokens 60]] [[drop 20]]")))
        assert "it lost 1 of the 1 answers" in " ".join(one.cause for one in slot.history)
        assert await read(slot.generate(request("well"))) == "well"


async def test_one_that_is_lost_while_its_engine_drains_is_finished_by_the_next(
    tmp_path: Path,
) -> None:
    async with supervised(tmp_path, "--rate", "100") as (_, slot):
        stream = slot.generate(request("[[tokens 60]] [[drop-once 30]]"))
        reading = asyncio.create_task(read(stream))
        await until(lambda: stream.tokens)
        slot.stop("test", drain_s=PATIENCE_S)
        assert await reading == words(60)


async def test_a_slow_preparer_and_a_row_that_gave_way_are_left_alone(tmp_path: Path) -> None:
    async with supervised(tmp_path, "--rate", "200") as (_, slot):
        other = asyncio.create_task(read(slot.generate(request("[[tokens 500]]"))))
        patient = slot.generate(request("a big picture [[wait 2.2]]"))
        yielding = slot.generate(request("[[tokens 30]] [[yield 10 2.2]]"))
        texts = await asyncio.gather(read(patient), read(yielding), other)
        assert [*texts] == ["a big picture", words(30), words(500)]
        assert (slot.book.counts.lost, slot.restarts) == (0, 0)


# Every fourth request is lost before it begins, and all others once, in the middle.
LOSING = """
from mlxd.engine import process
prepare = process.prepare_for_mlx
def prepare_and_break(blas):
    notes = prepare(blas)
    from mlxd.engine.step import Stepper
    begin, count, drop = Stepper._begin, [0], Stepper._drop_cancelled
    def losing(self, job):
        count[0] += job.id != 0
        if job.id == 0 or count[0] % 4 or count[0] > 8:
            begin(self, job)
    def dropping(self):
        drop(self)
        rows = [r for r in self.batch.rows if not r.job.submit.resume]
        self.batch.drop([r for r in rows if len(r.job.generated) > 25 and r.job.id < 9])
    Stepper._begin, Stepper._drop_cancelled = losing, dropping
    return notes
process.prepare_for_mlx = prepare_and_break
process.main()
"""


async def test_a_real_engine_that_loses_rows_is_found_out_and_the_texts_are_the_same(
    tmp_path: Path,
) -> None:
    chat = wire.Chat([wire.Message("user", [wire.TextPart("Count from 1 to 40.")])])
    drawn = [wire.Sampling(temperature=0), wire.Sampling(temperature=1.0, seed=7)]
    asked = [wire.Submit(0, chat, drawn[i % 2], max_tokens=90) for i in range(8)]

    async def texts(command: Sequence[str], data: str) -> tuple[list[str], int]:
        own = Settings(models=[ModelSettings(name=str(pilot.path()))], data_dir=tmp_path / data)
        opening = open_for(own)
        async with Supervisor(
            own, opening.catalogue, command=command, assigned=opening.assigned
        ) as service:
            slot = service.slot(opening.catalogue.configured[0])
            made = await asyncio.gather(*(read(slot.generate(submit)) for submit in asked))
            return list(made), slot.book.counts.lost - 100 * slot.restarts

    undisturbed, none = await texts((sys.executable, "-m", "mlxd.engine"), "before")
    assert none == 0
    disturbed, lost = await texts((sys.executable, "-c", LOSING), "after")
    assert lost == 8
    assert disturbed == undisturbed


@given(
    waits=st.lists(st.integers(0, 2), min_size=1, max_size=30),
    step=st.integers(0, 5000),
)
def test_what_the_engine_has_is_never_lost_unless_it_is_a_row(waits: list[int], step: int) -> None:
    """0: it is still in the channel. 1: it waits, is prepared or gave way. 2: it has a token."""
    one = Request(wire.Submit(7, wire.Text("x")), 0.0)
    one.sent, one.place = True, 3
    for turn, where in enumerate(waits):
        rows = [7] if where == 2 else []
        taken = 2 if where == 0 else 3
        told = wire.Progress(
            "decoding", steps=turn * step, taken=taken, has=[7] * (where > 0), rows=rows
        )
        assert census.missing([one], told, float(turn * 100), PATIENCE_S) == []
        if where == 2:
            one.watched = None
    gone = wire.Progress("decoding", steps=1, taken=3, has=[6], rows=[6])
    assert census.missing([one], gone, 0.0, PATIENCE_S) == [one]


def test_a_row_without_a_token_is_stuck_after_many_steps_and_much_time_only() -> None:
    one = Request(wire.Submit(7, wire.Text("x")), 0.0)
    one.sent, one.place = True, 1

    def lost(steps: int, at: float) -> bool:
        told = wire.Progress("decoding", steps=steps, taken=1, has=[7], rows=[7])
        return bool(census.missing([one], told, at, PATIENCE_S))

    assert not lost(1000, 50.0)
    assert not lost(9000, 50.0 + PATIENCE_S - 0.1)
    assert not lost(1000 + census.STEPS_WITHOUT_A_TOKEN - 1, 5000.0)
    assert lost(1000 + census.STEPS_WITHOUT_A_TOKEN, 50.0 + PATIENCE_S)
