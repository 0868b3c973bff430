"""`mlxd serve` without Typer: importing that takes longer than all else that has to happen before
the engine can be started. Anything unusual is left to Typer, which explains it."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlxd import settings
from mlxd.settings import Settings

from .complaint import Complaint

# Options of `serve` and the settings that they set.
SERVE = {
    "--model": "models",
    "--host": "server.host",
    "--port": "server.port",
    "--token": "server.token",
    "--data-dir": "data_dir",
    "--config": "config",
}


def serve_flags(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The settings of a plain `serve [--option VALUE]...`, or None."""
    if not arguments or arguments[0] != "serve":
        return None
    flags: dict[str, Any] = {}
    rest = iter(arguments[1:])
    for argument in rest:
        option, given, value = argument.partition("=")
        if not given:
            value = next(rest, "")
        if option not in SERVE or not value or value.startswith("-"):
            return None
        if option == "--model":
            flags.setdefault("models", []).append(value)
        else:
            flags[SERVE[option]] = value
    return flags


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """`config` names the file; everything else is a setting."""
    values = dict(flags)
    config = values.pop("config", None)
    return settings.load(config=Path(config) if config else None, flags=values)


def settings_to_find(flags: Mapping[str, Any]) -> Settings:
    """For what only looks for a service that runs: a mistake in the settings is no reason not to
    end it, or not to look at it."""
    try:
        return load_settings(flags)
    except settings.SettingsError as error:
        print(f"mlxd: {error} The service is looked for all the same.", file=sys.stderr)
        values = dict(flags)
        config = values.pop("config", None)
        return settings.load_to_find(
            config=Path(config) if config else None, environ=os.environ, flags=values
        )


def settings_from(flags: Mapping[str, Any]) -> Settings:
    try:
        return load_settings(flags)
    except settings.SettingsError as error:
        raise Complaint(str(error), code=2) from error
