"""How `pytest -n` shares the tests out to its workers; `make test` has two."""

import pytest
from xdist.scheduler import LoadScopeScheduling

# One worker has all of such a folder: what its tests share would otherwise be started in each.
TOGETHER = ("engine", "judges", "smoke", "web")
# What takes longest is begun first, so that no worker is left alone with it at the end.
LONGEST = (*TOGETHER, "desk", "chaos")


def room(nodeid: str) -> str:
    return nodeid.removeprefix("tests/").partition("/")[0]


def longest_first(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(room(item.nodeid), len(rank)))


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """By files, and by such folders."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        name = room(nodeid)
        return name if name in TOGETHER else nodeid.partition("::")[0]
