"""Which command is where. Typer reads the arguments; what a command needs is imported inside it."""

from pathlib import Path
from typing import Annotated

import typer

from . import docs, models, smoke
from .options import Config, DataDir, Json, Url
from .quick import load_settings, settings_from, settings_to_find

app = typer.Typer(
    name="mlxd",
    help="The model daemon for MLX: local language and vision models behind the OpenAI API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=True,
)
service = typer.Typer(
    help="Serve from log-in on, as the system's own service (systemd, launchd).",
    no_args_is_help=True,
)
app.add_typer(service, name="service")
app.add_typer(docs.app, name="docs")
app.command("ocr", epilog="Example: mlxd ocr scan.png receipt.pdf --format markdown")(docs.ocr)
app.add_typer(models.app, name="models")
doctor = typer.Typer(
    help="""Find what will go wrong before it does, with the command that mends it.

Checks: settings, python, versions, backends, device, metal, cuda, compiler, memory, container,
descriptors, disk, temporary, folders, ports, leftovers, service, network, hub, clock, models,
remotes, certificates; and those that measure: blas, products, bundled.

Exit codes: 0 nothing stands in the way; 1 something does; 2 no such check; 130 interrupted.""",
    epilog="Example: mlxd doctor --skip blas,products,bundled",
    invoke_without_command=True,
)
app.add_typer(doctor, name="doctor")

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

    Without --model, the models of the settings are served, or what was assigned before, or else the
    bundled one.
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

    Exit codes: 0 up, or running already; 1 no such model; 2 a setting is wrong; 3 the port is
    taken; 4 no model could be started, or it serves and none fits the memory budget; 5 still
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

    settings = settings_to_find({"data_dir": data_dir, "config": config})
    raise SystemExit(down(settings, at_once=now))


@service.command("install", epilog="Example: mlxd service install --model pilot --dry-run")
def service_install(
    model: Model = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--print", help="Only show what would be written.")
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Start mlxd now and whenever you log in, and again when it fails.

    It gets the options given here, and from this shell PATH, the proxies, where models lie, MLXD_…
    and the keys of remotes, in a file that only you can read. Again with other options: they are
    taken over. Exit codes: 0 installed; 1 something is in the way; 7 no systemd or launchd.
    """
    from .unit import install

    flags = {
        "models": model,
        "server.host": host,
        "server.port": port,
        "data_dir": data_dir,
        "config": config,
    }
    raise SystemExit(install(settings_from(flags), flags, show=dry_run))


@service.command("uninstall", epilog="Example: mlxd service uninstall")
def service_uninstall() -> None:
    """End the service and remove what install wrote; models, logs and settings stay."""
    from .unit import uninstall

    raise SystemExit(uninstall())


@app.command("run", epilog='Example: mlxd run pilot "What is 17 + 4?"')
def run_model(
    name: Annotated[str, typer.Argument(help="A model, or a capability such as vision.")],
    prompt: Annotated[str | None, typer.Argument(help="Without it: a chat.")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="Show this image; repeat.")] = None,
    system: Annotated[str | None, typer.Option(help="What the model is told first.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2)] = None,
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """One answer, or a chat.

    What is piped in is added to the prompt. Where no service runs, one is started in the background
    and goes on running. Ctrl-C stops one answer.
    """
    from .run import run

    options = {"max_tokens": max_tokens, "temperature": temperature}
    code = run(
        settings_from({"data_dir": data_dir, "config": config}),
        name,
        prompt,
        images=image or [],
        system=system,
        url=url,
        options={key: value for key, value in options.items() if value is not None},
        as_json=json,
    )
    raise SystemExit(code)


@app.command(epilog="Example: mlxd status --json")
def status(
    url: Url = None,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """What the running service does: its engines and remotes, their states and queues.

    Without --url, the service of this data folder, or else whichever mlxd has the port of the
    settings. Exit codes: 0 a model can answer; 1 it runs, and no model can answer (yet); 3 it does
    not run, or gives no answer.
    """
    from .status import run

    settings = settings_to_find({"data_dir": data_dir, "config": config})
    raise SystemExit(run(settings, url, as_json=json))


@app.command(epilog="Example: MLXD_SERVER_PORT=8080 mlxd config")
def config(config: Config = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Every setting with its value and where that came from."""
    from .config import run

    run(settings_from({"data_dir": data_dir, "config": config}), as_json=json)


def _log_names(incomplete: str) -> list[str]:
    from .logs import names

    return [one for one in names(settings_from({})) if one.startswith(incomplete)]


@app.command(epilog="Example: mlxd logs -f tiny")
def logs(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A model, gateway or desk; without it, all.",
            autocompletion=_log_names,
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many at first.")] = 50,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """The last lines of the logs, and with -f what comes, also across their rotation."""
    from .logs import run

    settings = settings_to_find({"data_dir": data_dir, "config": config})
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


@doctor.callback()
def doctor_examine(
    context: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Only this check; may be repeated.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Not this check; may be repeated.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Do what is safe (leftovers, permissions), asking first.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do not ask.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    json: Json = False,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from .doctor import run

    flags = {"data_dir": data_dir, "config": config}
    raise SystemExit(run(flags, only=only or [], skip=skip or [], as_json=json, fix=fix, yes=yes))


@doctor.command("diagnose", epilog="Example: mlxd logs -n 200 | mlxd doctor diagnose -")
def doctor_diagnose(
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT|FILE|-", help="An error, a log file, or -.")
    ] = None,
    json: Json = False,
) -> None:
    """Explain a known failure of MLX, mlx-lm, mlx-vlm, Metal, CUDA, the hub or the tokenizer.

    Exit codes: 0 recognised; 1 not known.
    """
    from .doctor import diagnose

    raise SystemExit(diagnose(text, as_json=json))
