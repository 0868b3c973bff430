"""`mlxd logs -f` loses no line and repeats none, whichever way a log is rotated."""

import contextlib
import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.cli.complaint import Complaint
from mlxd.cli.logs import Followed, names, run
from mlxd.settings import LoggingSettings, Settings
from mlxd.supervisor.launch import rotate

SMALL = LoggingSettings(file_bytes=200, files=3)
steps = st.lists(st.sampled_from(["write", "part", "rotate", "look"]), max_size=60)


@given(steps)
def test_across_copying_and_cutting(
    tmp_path_factory: pytest.TempPathFactory, what: list[str]
) -> None:
    """As an engine's log is rotated: it keeps the file open."""
    path = tmp_path_factory.mktemp("logs") / "engine-a.log"
    seen: list[str] = []
    written = 0
    rotated = False
    with path.open("ab", buffering=0) as out, contextlib.closing(Followed(path)) as followed:
        for step in what:
            if step == "write":
                out.write(b"%d %s\n" % (written, b"x" * 60))
                written += 1
            elif step == "part":
                out.write("é".encode()[:1])
                out.write("é".encode()[1:])
            elif step == "rotate" and not rotated:
                # Two between two looks, and what lies between them is in no file that is looked at.
                before = path.stat().st_size
                rotate(path, SMALL)
                rotated = path.stat().st_size < before
            elif step == "look":
                seen += followed.lines()
                rotated = False
        seen += followed.lines()
    assert [int(line.lstrip("é").split()[0]) for line in seen] == list(range(written))


def test_across_renaming(tmp_path: Path) -> None:
    """As the gateway's own is."""
    path = tmp_path / "gateway.log"
    path.write_text("before\n")
    followed = Followed(path)
    handler = RotatingFileHandler(path, maxBytes=100, backupCount=2)
    seen: list[str] = []
    for number in range(40):
        handler.emit(logging.LogRecord("a", 20, "", 0, f"line {number} {'x' * 40}", None, None))
        seen += followed.lines()
    followed.close()
    handler.close()
    assert [int(line.split()[1]) for line in seen] == list(range(40))


def test_a_log_that_comes_later_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "engine-b.log"
    followed = Followed(path, from_start=True)
    assert list(followed.lines()) == []
    path.write_text("one\ntwo")
    assert list(followed.lines()) == ["one"]
    os.unlink(path)
    assert list(followed.lines()) == []
    followed.close()


def test_names_are_models_and_the_services_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=tmp_path)
    (tmp_path / "logs").mkdir()
    for name in ("engine-a", "engine-org-b", "gateway", "desk"):
        (tmp_path / "logs" / f"{name}.log").write_text(f"ERROR of {name}\n")
    assert names(settings) == ["desk", "a", "org-b", "gateway"]
    for name, file in (("gateway", "gateway"), ("org/b", "engine-org-b"), ("desk", "desk")):
        run(settings, name, lines=5, follow=False)
        # No colour where this is no terminal.
        assert capsys.readouterr().out == f"ERROR of {file}\n"
    with pytest.raises(Complaint, match="There are: desk, a, org-b, gateway"):
        run(settings, "c", lines=5, follow=False)
