"""`mlxd serve` as it is, and behind it the engine that is right by construction.

python -m mlxd.referee.behind serve --port 0 --data-dir DIR --model DIR
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mlxd.cli.quick import serve_flags, settings_from
from mlxd.cli.serve import run
from mlxd.smoke.started import served

from .scripted import COMMAND


@asynccontextmanager
async def behind(folder: Path) -> AsyncIterator[str]:
    """The URL of the gateway for the time of the checks."""
    async with served(str(folder), program=("-P", "-m", "mlxd.referee.behind")) as started:
        yield started.url


if __name__ == "__main__":
    flags = serve_flags(sys.argv[1:])
    assert flags is not None
    raise SystemExit(run(settings_from(flags), COMMAND))
