"""What of a folder is gone, and what only can't be seen just now."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxd.cli.folders import Gone, Look, gone, look

NOBODY = 65534
SUFFIXES = [".txt"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where everybody may look: permissions are nothing to an administrator."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    for name in ("here/one.txt", "there/two.txt", "there/deep/three.txt"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name)
    yield made
    if (made / "there").exists():
        (made / "there").chmod(0o755)
    shutil.rmtree(made)


@pytest.fixture
def nobody() -> Iterator[None]:
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


def known(seen: Look) -> dict[str, Any]:
    return {one.source: {"name": one.path.name} for one in seen.files}


def names(found: Gone) -> list[str]:
    return sorted(one["name"] for one in found.documents)


def again(folder: Path, had: Look, before: Look | None = None) -> Gone:
    return gone([folder], look([folder], SUFFIXES), known(had), before)


def test_a_look_says_what_was_there_when_it_was_made(folder: Path) -> None:
    """What changes while a round is under way is for the next one."""
    had = look([folder], SUFFIXES)
    (folder / "here" / "one.txt").unlink()
    assert look([folder], SUFFIXES).stamps != had.stamps


@pytest.mark.parametrize("mode", [0, 0o444, 0o111], ids=["closed", "names only", "no names"])
def test_what_is_in_a_folder_that_cannot_be_read_stays(
    folder: Path, mode: int, request: pytest.FixtureRequest
) -> None:
    had = look([folder], SUFFIXES)
    assert len(had.files) == 3
    (folder / "here" / "one.txt").unlink()
    (folder / "there").chmod(mode)
    request.getfixturevalue("nobody")
    seen = look([folder], SUFFIXES)
    assert set(seen.closed) >= {folder / "there"}
    assert seen.stamps != had.stamps
    assert "three.txt" not in names(gone([folder], seen, known(had)))
    assert "two.txt" not in names(gone([folder], seen, known(had)))


def test_an_empty_folder_may_be_the_place_of_a_disk(folder: Path) -> None:
    had = look([folder], SUFFIXES)
    # Another folder in its place is what is seen of a disk that is no longer mounted.
    (folder / "there").rename(folder.with_name(f"{folder.name}-away"))
    try:
        (folder / "there").mkdir()
        (folder / "here" / "one.txt").unlink()
        (folder / "here" / "other.txt").write_text("so that it is not empty")
        for before in (None, had):
            found = again(folder, had, before)
            assert names(found) == ["one.txt"]
            assert found.doubted == {folder / "there": 2}
    finally:
        shutil.rmtree(folder.with_name(f"{folder.name}-away"))


def test_a_folder_that_was_seen_full_is_empty_when_it_is(folder: Path) -> None:
    had = look([folder], SUFFIXES)
    shutil.rmtree(folder / "there" / "deep")
    (folder / "there" / "two.txt").unlink()
    assert names(again(folder, had, had)) == ["three.txt", "two.txt"]
    unseen = again(folder, had)
    assert (names(unseen), unseen.doubted) == ([], {folder / "there": 2})


def test_a_folder_that_is_gone_takes_its_documents_along(folder: Path) -> None:
    had = look([folder], SUFFIXES)
    shutil.rmtree(folder / "there")
    found = again(folder, had)
    assert (names(found), found.doubted) == (["three.txt", "two.txt"], {})
