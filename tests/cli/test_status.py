"""What `mlxd status` says of engines and servers elsewhere."""

from typing import Any

import pytest

from mlxd.cli.status import _lines, doing_of
from mlxd.settings import Settings

ENGINE: dict[str, Any] = {
    "state": "ready",
    "seconds": 3.0,
    "running": 1,
    "waiting": 2,
    "restarts": 1,
    "pid": 77,
    "last_error": "",
    "explanation": "",
}
REMOTE: dict[str, Any] = {
    "models": ["big"],
    "state": "ready",
    "running": 0,
    "waiting": 0,
    "failed": 1,
    "url": "http://far/v1",
    "last_error": "no connection",
}


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ({"state": "loading", "progress": {"phase": "loading", "done": 1, "total": 4}}, "25 %"),
        ({"state": "loading", "progress": {"phase": "loading", "done": 0, "total": 0}}, "loading"),
        # Its first tokens are made to see whether it can: what is counted then is no loading.
        ({"state": "loading", "progress": {"phase": "warming", "done": 0, "total": 0}}, "warming"),
        ({"state": "loading", "progress": {"phase": "prefilling", "done": 1, "total": 2}}, "warm"),
        ({"state": "stopped", "resting": True}, "at rest"),
        ({"state": "stopped", "too_big": "it needs more"}, "too big for the memory budget"),
        ({"state": "stopped", "restart_in": 3.2}, "stopped, again in 3 s"),
        ({"state": "draining"}, "draining"),
    ],
)
def test_what_an_engine_does(engine: dict[str, Any], told: str) -> None:
    assert told in doing_of(engine)


def lines(engine: dict[str, Any], remote: dict[str, Any]) -> str:
    answer = {"engines": {"a": {**ENGINE, **engine}}, "remotes": {"far": {**REMOTE, **remote}}}
    return "\n".join(_lines({"http://here": answer}, Settings()))


def test_what_is_over_is_told_as_over() -> None:
    well = lines({"explanation": "It was killed."}, {})
    assert "    how the one before it ended: It was killed." in well
    assert "    earlier error: no connection" in well
    ill = lines({"state": "failed", "last_error": "why", "explanation": "Because."}, {})
    assert "    last error: why\n    Because." in ill
    assert "    last error: no connection" in lines({}, {"state": "failing"})
