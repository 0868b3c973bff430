"""The whole suite against a fake server."""

from unittest import mock

from mlxd.smoke import Options, Plan, Run, Subject, judge, pictures
from mlxd.smoke.checks import cancel, steady, vision

from .brain import labelled
from .edit import Edit
from .fake import serving
from .mutant import PATIENCE_S
from .mutants import TIMEOUT_S, Mutant

# The fake answers in a millisecond or so.
CANCEL_SLACK_S = 0.8
PACE_SLACK_S = 0.2


def _printed(text: str) -> bytes:
    return labelled(pictures.printed(text), text)


async def judged(mutant: Mutant | None = None, edit: Edit | None = None, **plan: object) -> Run:
    timeout = mutant.timeout if mutant else TIMEOUT_S
    made = Plan(options=Options(timeout=timeout), **plan)  # type: ignore[arg-type]
    with (
        serving(
            mutant.name if mutant else "",
            mutant.twist if mutant else None,
            mutant.edit if mutant else edit,
        ) as fake,
        mock.patch.object(vision, "printed", _printed),
        mock.patch.object(cancel, "SLACK_S", CANCEL_SLACK_S),
        mock.patch.object(steady, "IDLE_S", mutant.pause if mutant else 0.0),
        mock.patch.object(steady, "SLACK_S", PACE_SLACK_S),
        mock.patch.object(steady, "PATIENCE_S", mutant.patience if mutant else PATIENCE_S),
    ):
        subject = Subject(name=mutant.name if mutant else "correct", url=fake.url)
        report = await judge([subject], made)
    return report.runs[0]
