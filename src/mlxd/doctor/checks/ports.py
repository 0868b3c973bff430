"""The ports that mlxd listens on, and who has them."""

import errno
import socket
from typing import Any

from mlxd.supervisor.owners import port_owner
from mlxd.supervisor.record import living_gateways

from ..finding import Case, Finding, fail, ok
from ..hints import free_port

TITLE = "Ports"
WHY = "mlxd never ends a process that is not its own: while another has the port, it can't start."


def look(case: Case) -> Finding:
    server = case.settings.server
    wanted = [("MLXD_SERVER_PORT", server.host, server.port)]
    if server.v1_port is not None:
        wanted.append(("MLXD_SERVER_V1_PORT", server.v1_host, server.v1_port))
    ours = {file.gateway.pid: file.url for file in living_gateways(case.settings.data_dir)}
    told, mend = [], []
    worst = ok
    facts: dict[str, Any] = {}
    for variable, host, port in wanted:
        status, words, command = _one(variable, host, port, ours)
        told.append(words)
        mend += command
        facts[str(port)] = words
        worst = status if status is fail else worst
    return worst("; ".join(told), *mend, **facts) if mend else ok("; ".join(told), **facts)


def _one(variable: str, host: str, port: int, ours: dict[int, str]) -> tuple[Any, str, list[str]]:
    if port == 0:
        return ok, "any free port", []
    error = _try(host, port)
    if error is None:
        return ok, f"{port} is free", []
    if error.errno != errno.EADDRINUSE:
        told = f"{host}:{port} can't be listened on: {error.strerror or error}"
        return fail, told, [_other(variable, max(port, 1024) if port < 1024 else free_port())]
    owner = port_owner(port)
    if owner is not None and owner.pid in ours:
        return ok, f"{port} is that of mlxd (process {owner.pid}, {ours[owner.pid]})", []
    who = owner or "a process that the system does not show"
    return fail, f"{port} is taken by {who}", [_other(variable, free_port())]


def _other(variable: str, port: int) -> str:
    return f"export {variable}={port}"


def _try(host: str, port: int) -> OSError | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen(1)
        except OSError as error:
            return error
    return None
