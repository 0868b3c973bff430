"""What of LanceDB is used here, and none of what serves its cloud.

A thousand functions of a client for that are made at its import, each checked by pydantic: more
than a second of processor time at every start of a desk. Of that package only the modules that
are named by others are loaded, not the interface that it opens with.
"""

import importlib.util
import sys
from types import ModuleType
from typing import Any

_CLIENT = "lance_namespace_urllib3_client"


def _without_interface(name: str) -> None:
    found = importlib.util.find_spec(name)
    if found is None or found.submodule_search_locations is None or name in sys.modules:
        return
    made = ModuleType(name)
    made.__spec__ = found
    made.__path__ = found.submodule_search_locations
    sys.modules[name] = made


_without_interface(_CLIENT)

import lancedb  # noqa: E402 - this is what the above is for
from lancedb.index import FTS, BTree, IvfSq  # noqa: E402
from lancedb.query import MatchQuery  # noqa: E402

__all__ = ["FTS", "BTree", "IvfSq", "MatchQuery", "awaited", "columns", "lancedb"]


def awaited(table: Any) -> Any:
    """The same table, at the same version, for who awaits what it finds: a search of the other kind
    goes to another thread and back for each of its parts, two milliseconds in all."""
    return table._table


async def columns(query: Any, *names: str) -> list[list[Any]]:
    """These columns of what a query finds. Not by its own `to_arrow`, which looks at the table's
    whole schema first, for columns of a kind that there is none of here."""
    found: list[list[Any]] = [[] for _ in names]
    async for batch in await query._inner.execute(max_batch_length=None, timeout=None):
        for values, name in zip(found, names, strict=True):
            values += batch.column(name).to_pylist()
    return found
