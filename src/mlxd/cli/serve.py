"""`mlxd serve`: the first engine is started before the gateway's libraries are imported, so that
both load at the same time."""

import errno
import signal
import socket
import sys
from collections.abc import Callable, Sequence

from mlxd.catalog import BrokenModel, CatalogueError, ModelEntry, NameUnknown, NotDownloaded
from mlxd.settings import Settings
from mlxd.supervisor.contract import NotKept
from mlxd.supervisor.launch import (
    ENGINE,
    Child,
    engine_arguments,
    engine_environment,
    launch,
    log_file,
    rotate,
)
from mlxd.supervisor.opening import Opening, open_for

from .complaint import Complaint

# Connections that may wait while the gateway still imports.
BACKLOG = 2048
EXIT_PORT_TAKEN = 3


def run(
    settings: Settings,
    command: Sequence[str] = ENGINE,
    again: Callable[[], Settings] | None = None,
) -> int:
    """`again` reads the settings once more, from where these came."""
    # Read again while it starts, settings are none other; the default would be to end.
    signal.signal(signal.SIGHUP, lambda *_: None)
    opening = _opening(settings)
    server = settings.server
    listening = [_listen(server.host, server.port, "--port")]
    if server.v1_port is not None:
        listening.append(_listen(server.v1_host, server.v1_port, "server.v1_port"))
    _warn_if_open(settings)
    _warn_if_shared(settings)
    _end_leftovers(settings)
    first = opening.first()
    launched = {first.id: _start(first, settings, command)} if first else {}
    try:
        from .serving import serve
    except BaseException:
        for child in launched.values():
            child.signal(signal.SIGKILL)
        raise
    return serve(settings, opening, listening, launched, command, again or (lambda: settings))


def _opening(settings: Settings) -> Opening:
    try:
        return open_for(settings)
    except NotKept as error:
        raise Complaint(str(error)) from error
    except CatalogueError as error:
        raise Complaint(str(error), code=2) from error
    except (NameUnknown, NotDownloaded, BrokenModel) as error:
        if settings.models:
            raise Complaint(str(error)) from error
        raise Complaint(
            "No model was named, and this installation has no bundled one. "
            "Name one: mlxd serve --model DIR, or --model org/name from the Hugging Face cache."
        ) from error


def _listen(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise _refused(host, port, option, error) from error
    return sock


def _refused(host: str, port: int, option: str, error: OSError) -> Complaint:
    if error.errno != errno.EADDRINUSE:
        return Complaint(f"Can't listen on {host}:{port}: {error.strerror or error}.")
    from mlxd.supervisor.owners import port_owner

    owner = port_owner(port)
    who = f"taken by {owner}" if owner else "taken"
    return Complaint(
        f"Port {port} on {host} is {who}; it was left alone. "
        f"Use another port ({option} {port + 1}), or end that process yourself.",
        code=EXIT_PORT_TAKEN,
    )


def _warn_if_open(settings: Settings) -> None:
    local = settings.server.host in ("localhost", "::1") or settings.server.host.startswith("127.")
    if not local and settings.server.token is None:
        print(
            f"mlxd: other machines can reach {settings.server.host} and no token is asked for; "
            "set one with --token or MLXD_SERVER_TOKEN",
            file=sys.stderr,
        )


def _warn_if_shared(settings: Settings) -> None:
    if not (settings.data_dir / "run").is_dir():
        return
    from mlxd.supervisor.record import living_gateways

    for other in living_gateways(settings.data_dir):
        print(
            f"mlxd: process {other.gateway.pid} serves {other.url} with the same data folder, "
            f"{settings.data_dir}. Assignments of one are not seen by the other until it starts "
            "again, logs are mixed, and mlxd down ends both; to keep them apart: --data-dir DIR",
            file=sys.stderr,
        )


def _end_leftovers(settings: Settings) -> None:
    if not (settings.data_dir / "run").is_dir():
        return
    from mlxd.supervisor.record import end_leftovers

    for left in end_leftovers(settings.data_dir):
        print(
            f"mlxd: ended engine {left.pid} ({left.what}), left by an earlier run", file=sys.stderr
        )


def _start(entry: ModelEntry, settings: Settings, command: Sequence[str]) -> Child:
    log = log_file(settings.data_dir, entry.id)
    rotate(log, settings.logging)
    try:
        env = engine_environment(settings)
        return launch(engine_arguments(entry, settings), log, command=command, env=env)
    except OSError as error:
        raise Complaint(f"The engine can't be started: {error}.") from error
