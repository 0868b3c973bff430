"""`mlxd config`"""

import json
from pathlib import Path
from typing import Any

import msgspec

from mlxd.settings import Settings, known_keys, lookup, redacted


def run(settings: Settings, *, as_json: bool) -> None:
    rows = {
        key: {"value": _plain(redacted(key, lookup(settings, key))), "source": source}
        for key, source in ((key, settings.sources[key]) for key in known_keys())
    }
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    width = max(map(len, rows))
    shown = {key: json.dumps(row["value"]) for key, row in rows.items()}
    value_width = min(40, max(map(len, shown.values())))
    for key, row in rows.items():
        print(f"{key:{width}}  {shown[key]:{value_width}}  {row['source']}")


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else msgspec.to_builtins(value)
