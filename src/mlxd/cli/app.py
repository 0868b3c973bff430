"""Which command is where. Typer reads the arguments; what a command needs is imported inside it."""

from pathlib import Path
from typing import Annotated

import typer

from . import smoke
from .quick import load_settings, settings_from

app = typer.Typer(
    name="mlxd",
    help="The model daemon for MLX: local language and vision models behind the OpenAI API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=True,
)
models = typer.Typer(help="Which models there are.", no_args_is_help=True)
app.add_typer(models, name="models")

Config = Annotated[Path | None, typer.Option(help="Settings file instead of the usual mlxd.toml.")]
DataDir = Annotated[Path | None, typer.Option(help="Where logs and state are kept.")]
Url = Annotated[str | None, typer.Option(envvar="MLXD_URL", help="Of the service.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME|DIR", help="Serve this model; may be repeated."),
]


@app.command(
    epilog="Example: mlxd serve --model ./models/tiny --port 8080",
)
def serve(
    model: Model = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.")] = None,
    token: Annotated[str | None, typer.Option(help="Ask clients for this bearer token.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Serve models over HTTP until Ctrl-C.

    Without --model, the models of the settings are served, or else the bundled one.
    """
    from .serve import run

    flags = {
        "models": model,
        "server.host": host,
        "server.port": port,
        "server.token": token,
        "data_dir": data_dir,
        "config": config,
    }
    raise SystemExit(run(settings_from(flags), again=lambda: load_settings(flags)))


@app.command(epilog="Example: mlxd up --model ./models/tiny && mlxd status")
def up(
    model: Model = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.")] = None,
    token: Annotated[str | None, typer.Option(help="Ask clients for this bearer token.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds until it should be ready.")] = 300.0,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Serve in the background, and return when a model is ready.

    Exit codes: 0 up, or running already; 3 the port is taken; 4 no model could be started; 5 still
    loading.
    """
    from .background import up

    flags = {
        "models": model,
        "server.host": host,
        "server.port": port,
        "server.token": token,
        "data_dir": data_dir,
        "config": config,
    }
    raise SystemExit(up(settings_from(flags), flags, wait))


@app.command(epilog="Example: mlxd down")
def down(
    now: Annotated[bool, typer.Option("--now", help="Do not wait for running answers.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """End the service in the background, after what it still answers.

    Exit codes: 0 nothing runs any more; 6 it did not end in time.
    """
    from .background import down

    raise SystemExit(down(settings_from({"data_dir": data_dir, "config": config}), at_once=now))


@app.command(epilog="Example: mlxd status --json")
def status(
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """What the running service does: its engines, their states and queues."""
    from .status import run

    raise SystemExit(
        run(settings_from({"data_dir": data_dir, "config": config}), url, as_json=json)
    )


@app.command(epilog="Example: MLXD_SERVER_PORT=8080 mlxd config")
def config(config: Config = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Every setting with its value and where that came from."""
    from .config import run

    run(settings_from({"data_dir": data_dir, "config": config}), as_json=json)


@app.command(epilog="Example: mlxd logs -f tiny")
def logs(
    name: Annotated[str | None, typer.Argument(help="A model; without it, all.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many at first.")] = 50,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """The last lines of the logs."""
    from .logs import run

    settings = settings_from({"data_dir": data_dir, "config": config})
    raise SystemExit(run(settings, name, lines=lines, follow=follow))


@app.command(
    epilog="Example: mlxd bench --url mlxd=http://127.0.0.1:60315 --url other=http://127.0.0.1:8080"
)
def bench(
    url: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="A server; repeat to compare with the first."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Its name there, if not the first one.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Sent as bearer token.")] = None,
    scenario: Annotated[list[str] | None, typer.Option(help="Only this one; repeat.")] = None,
    clients: Annotated[list[int] | None, typer.Option(min=1, help="At once; repeat.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Medians are taken over them.")] = 3,
    tokens: Annotated[int, typer.Option(min=2, help="Of each stream.")] = 64,
    output: Annotated[Path | None, typer.Option(help="Write the result to this file too.")] = None,
    json: Json = False,
) -> None:
    """Measure OpenAI-compatible servers side by side; without --url, the service on this machine.

    Scenarios: first-token, throughput, second-turn, interference.
    """
    from . import bench as command

    code = command.run(
        url or [],
        model=model,
        api_key=api_key,
        scenarios=scenario or [],
        clients=clients or [],
        rounds=rounds,
        tokens=tokens,
        json_path=output,
        as_json=json,
    )
    raise SystemExit(code)


app.command("smoke", cls=smoke.Command, epilog="Example: mlxd smoke --url http://127.0.0.1:8080")(
    smoke.smoke
)


@models.command("ls", epilog="Example: mlxd models ls --json")
def models_ls(config: Config = None, json: Json = False) -> None:
    """Models on this machine, and those that the catalogue knows."""
    from .models import ls

    ls(settings_from({"config": config}), as_json=json)


@models.command("assign", epilog="Example: mlxd models assign vision pilot")
def models_assign(
    capability: Annotated[str, typer.Argument(help="text, vision, tool_use, ...")],
    name: Annotated[str | None, typer.Argument(help="A model; without it, none.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Let this model serve a capability; without a model, nothing serves it any more."""
    from .models import assign

    assign(settings_from({"data_dir": data_dir, "config": config}), url, capability, name)


@models.command("show", epilog="Example: mlxd models show --json")
def models_show(
    url: Url = None, data_dir: DataDir = None, config: Config = None, json: Json = False
) -> None:
    """Which model serves which capability, and what was confirmed of it."""
    from .models import show

    show(settings_from({"data_dir": data_dir, "config": config}), url, as_json=json)
