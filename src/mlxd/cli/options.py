"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option(help="Settings file instead of the usual mlxd.toml.")]
DataDir = Annotated[Path | None, typer.Option(help="Where logs and state are kept.")]
Url = Annotated[str | None, typer.Option(envvar="MLXD_URL", help="Of the service.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
