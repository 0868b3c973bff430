"""kill -9 of desk, gateway and engine at random moments changes nothing of the index."""

from pathlib import Path

import pytest

from .kills import chunks, disturbed, documents
from .service import Service

pytestmark = pytest.mark.timeout(600)

KILLS = 6


def test_the_index_is_the_same_after_kills(folder: Path) -> None:
    files = documents(10)
    calm = Service(folder / "calm", MLXD_DOCUMENTS_TAGS="off")
    try:
        expected = chunks(calm, [one["id"] for one in calm.indexed(*files)])
    finally:
        assert calm.end() == 0
    harried = Service(folder / "harried", MLXD_DOCUMENTS_TAGS="off")
    try:
        ids = [one["id"] for one in harried.add(*files)]
        done, working = disturbed(harried, ids, KILLS, seed=20)
        assert done == KILLS
        assert working > KILLS // 2, "it was all read before the kills"
        assert chunks(harried, ids) == expected
        assert harried.get("/jobs")["counts"] == {"done": len(files)}
        found = harried.search("pump 4004", kind=["image"])[0]
        assert found["document"]["name"] == "paper-4.pdf"
    finally:
        assert harried.end() == 0
