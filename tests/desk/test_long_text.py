"""A long text is read in a process of its own, as nobody else in the desk goes on meanwhile."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlxd.desk.documents.files import Files
from mlxd.desk.documents.jobs import STOPPED
from mlxd.desk.documents.parse import plain
from mlxd.desk.documents.reading import Reading
from mlxd.settings import Settings

DOCUMENT, REVISION = "0" * 16, "1" * 24
PARAGRAPH = "The harbour is closed.\n\n"
LONG = PARAGRAPH * (plain.SMALL_BYTES // len(PARAGRAPH) + 1)


def reading(folder: Path, text: str, *, stopped: bool) -> tuple[Reading, Any]:
    files = Files(folder)
    original = files.original(DOCUMENT, REVISION)
    original.parent.mkdir(parents=True)
    original.write_text(text)
    config: Any = SimpleNamespace(documents=Settings().documents)
    describer: Any = None  # there is nothing to describe
    job = SimpleNamespace(document=DOCUMENT, revision=REVISION, name="long.txt")
    run = SimpleNamespace(job=job, stopped=lambda: stopped)
    return Reading(config, files, describer), run


@pytest.mark.parametrize(("text", "stops"), [(PARAGRAPH, False), (LONG, True)])
def test_only_a_long_one_can_be_stopped_in_the_middle(
    tmp_path: Path, text: str, stops: bool
) -> None:
    made, run = reading(tmp_path, text, stopped=True)
    assert (made.survey(run) is STOPPED) == stops


def test_it_is_read_as_a_short_one_is(tmp_path: Path) -> None:
    made, run = reading(tmp_path, LONG, stopped=False)
    assert made.survey(run).done
    file = tmp_path / "long.txt"
    file.write_text(LONG)
    survey, [page] = plain.parse(file, "long.txt", Settings().documents.page_limit)
    assert made.surveyed(run.job) == survey
    assert made.page(run.job, 1) == page
    # Once more, as after a crash: what is there is taken.
    assert made.survey(run).done
