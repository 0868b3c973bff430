"""`mlxd models`: which options there are. What the commands do is imported when used."""

from typing import Annotated

import typer

from .options import Config, DataDir, Json, Url
from .quick import settings_from

app = typer.Typer(
    help="Models: which there are, which serves what, and their engines.", no_args_is_help=True
)

Started = Annotated[str, typer.Argument(help="A model that is served, by any of its names.")]
Wait = Annotated[float, typer.Option(help="Seconds until it should be done; it goes on then.")]


@app.command("ls", epilog="Example: mlxd models ls --json")
def models_ls(config: Config = None, json: Json = False) -> None:
    """Models on this machine, and those that the catalogue knows."""
    from .models_ls import ls

    ls(settings_from({"config": config}), as_json=json)


@app.command("pull", epilog="Example: mlxd models pull qwen3-vl-4b")
def models_pull(
    name: Annotated[str, typer.Argument(help="An alias, or ORG/NAME on the hub.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Download a model, or go on with a download that was stopped.

    Into the cache that Hugging Face's own tools use; every file is verified. A mirror: HF_ENDPOINT.
    Models that need a token: HF_TOKEN. Exit codes: 0 it is here; 1 why not; 130 stopped.
    """
    from .models_pull import pull

    raise SystemExit(pull(settings_from({"config": config}), name, as_json=json))


@app.command("rm", epilog="Example: mlxd models rm qwen3-0.6b --yes")
def models_rm(
    name: Annotated[str, typer.Argument(help="An alias, or ORG/NAME.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also while it is in use.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Remove a model that mlxd downloaded; what others put into the cache stays.

    Exit codes: 0 removed; 1 why not; 7 it is in use.
    """
    from .models_rm import rm

    settings = settings_from({"data_dir": data_dir, "config": config})
    raise SystemExit(rm(settings, name, yes=yes, force=force, as_json=json))


@app.command("inspect", epilog="Example: mlxd models inspect pilot --json")
def models_inspect(
    name: Annotated[str, typer.Argument(help="An alias, ORG/NAME, or a folder.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """What a model is, can do and needs, from its files alone.

    Exit codes: 0 it can be served; 1 it can't, with the reasons.
    """
    from .models_inspect import inspect

    raise SystemExit(inspect(settings_from({"config": config}), name, as_json=json))


@app.command("assign", epilog="Example: mlxd models assign vision pilot")
def models_assign(
    capability: Annotated[str, typer.Argument(help="text, vision, tool_use, ...")],
    name: Annotated[str | None, typer.Argument(help="A model; without it, none.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Let this model serve a capability; without a model, nothing serves it any more."""
    from .models_show import assign

    assign(settings_from({"data_dir": data_dir, "config": config}), url, capability, name)


@app.command("start", epilog="Example: mlxd models start pilot")
def models_start(
    name: Started,
    wait: Wait = 300.0,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Start its engine, also one that failed, and return when it is ready.

    Exit codes: 0 ready; 1 why not; 3 no service; 4 it failed, or has no room; 5 still loading.
    """
    from .engines import control

    settings = settings_from({"data_dir": data_dir, "config": config})
    raise SystemExit(control(settings, url, "start", name, wait))


@app.command("stop", epilog="Example: mlxd models stop pilot")
def models_stop(
    name: Started,
    wait: Wait = 300.0,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """End its engine after what it still answers; the next request for it starts another.

    Exit codes: 0 it is gone; 1 why not; 3 no service; 5 not yet.
    """
    from .engines import control

    settings = settings_from({"data_dir": data_dir, "config": config})
    raise SystemExit(control(settings, url, "stop", name, wait))


@app.command("restart", epilog="Example: mlxd models restart pilot")
def models_restart(
    name: Started,
    wait: Wait = 300.0,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Replace its engine by a new one, which goes on with the answers, and return when it is ready.

    Exit codes: 0 ready; 1 why not; 3 no service; 4 it failed; 5 still loading.
    """
    from .engines import control

    settings = settings_from({"data_dir": data_dir, "config": config})
    raise SystemExit(control(settings, url, "restart", name, wait))


@app.command("confirm", epilog="Example: mlxd models confirm pilot text vision")
def models_confirm(
    name: Annotated[str, typer.Argument(help="A model that is served, here or elsewhere.")],
    capabilities: Annotated[
        list[str] | None, typer.Argument(help="Without any: all that it is said to have.")
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Ask a model, with values that are new each time, whether it can what it is said to.

    What came of it is kept: mlxd models show. Exit codes: 0 it can; 1 not all of it.
    """
    from .engines import confirm

    settings = settings_from({"data_dir": data_dir, "config": config})
    raise SystemExit(confirm(settings, url, name, capabilities or []))


@app.command("show", epilog="Example: mlxd models show pilot")
def models_show(
    name: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Only what there is of this one.")
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Which model serves which capability, and what was confirmed and certified of it."""
    from .models_show import show

    show(settings_from({"data_dir": data_dir, "config": config}), url, name, as_json=json)
