"""How the process that downloads is started."""

import sys

# -P: the folder that it is started in is no place to import from.
COMMAND = (sys.executable, "-P", "-m", "mlxd.catalog.pull")


def arguments(hub_id: str, known: list[str]) -> list[str]:
    """`known` are names that may have been meant, should the hub have no such model."""
    return [*COMMAND, hub_id, *known]
