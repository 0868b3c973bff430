"""The whole suite against a fake server."""

from unittest import mock

from mlxd.smoke import Options, Plan, Run, Subject, judge, pictures
from mlxd.smoke.checks import cancel, vision

from .brain import labelled
from .fake import serving
from .mutants import TIMEOUT_S, Mutant

# The fake answers in a millisecond or so.
CANCEL_SLACK_S = 0.5


def _printed(text: str) -> bytes:
    return labelled(pictures.printed(text), text)


async def judged(mutant: Mutant | None = None, **plan: object) -> Run:
    timeout = mutant.timeout if mutant else TIMEOUT_S
    made = Plan(options=Options(timeout=timeout), **plan)  # type: ignore[arg-type]
    with (
        serving(mutant.name if mutant else "", mutant.twist if mutant else None) as fake,
        mock.patch.object(vision, "printed", _printed),
        mock.patch.object(cancel, "SLACK_S", CANCEL_SLACK_S),
    ):
        subject = Subject(name=mutant.name if mutant else "correct", url=fake.url)
        report = await judge([subject], made)
    return report.runs[0]
