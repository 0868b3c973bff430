"""What of LanceDB is used here, and none of what serves its cloud.

A thousand functions of a client for that are made at its import, each checked by pydantic: more
than a second of processor time at every start of a desk. Of that package only the modules that
are named by others are loaded, not the interface that it opens with.
"""

import importlib.util
import sys
from types import ModuleType

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

__all__ = ["FTS", "BTree", "IvfSq", "MatchQuery", "lancedb"]
