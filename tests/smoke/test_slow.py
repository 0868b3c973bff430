"""A server that is correct and slow, or on a machine that is busy, raises no alarm."""

import itertools
import time
from typing import Any

import pytest

from .edit import Edit
from .fake import Fake
from .judging import judged

QUEUE_S = 0.4
BUSY_S = 1.2
# The first that the check of its pace asks for.
BUSY_ANSWERS = range(6, 10)


class _Queue(Edit):
    """Every answer waits for its turn, and then comes at once."""

    def heard(self, body: dict[str, Any]) -> None:
        time.sleep(QUEUE_S)


class _Busy(Edit):
    """In the course of the run the machine does something else for a while."""

    def __init__(self) -> None:
        self.asked = itertools.count(1)

    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        if next(self.asked) in BUSY_ANSWERS:
            time.sleep(BUSY_S)
        return None


@pytest.mark.parametrize(
    ("edit", "only"),
    [
        (_Queue(), ("streaming.live",)),
        (_Queue(), ("health.answer", "cancel.stream", "steady.pace")),
        (_Busy(), ("health.answer", "health.keep-alive", "steady.pace")),
    ],
)
async def test_slowness_is_no_fault(edit: Edit, only: tuple[str, ...]) -> None:
    run = await judged(edit=edit, only=only)
    assert [check.id for check in run.checks] == list(only)
    told = {check.id: [one.message for one in check.rounds] for check in run.checks}
    assert {check.verdict for check in run.checks} == {"PASS"}, told
