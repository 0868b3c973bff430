"""Whether this machine can be reached from itself: loopback, and no proxy in the way."""

import socket
import sys

from ..finding import Case, Finding, fail, ok, warn
from ..hints import as_root

TITLE = "Loopback"
WHY = "Clients on this machine ask 127.0.0.1. Where that is down, or goes to a proxy, none arrives."

LIMIT_S = 5.0
UP = "ip link set lo up" if sys.platform == "linux" else "ifconfig lo0 up"

VARIABLES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
LOCAL = {"localhost", "127.0.0.1"}


def look(case: Case) -> Finding:
    if error := _unreachable():
        return fail(f"127.0.0.1 can't be reached from this machine itself: {error}", as_root(UP))
    set_to = {name: case.environ[name] for name in VARIABLES if case.environ.get(name)}
    if not set_to:
        return ok("127.0.0.1 answers, no proxy for http")
    name = next(iter(set_to))
    kept = case.environ.get("no_proxy") or case.environ.get("NO_PROXY") or ""
    outside = {part.strip() for part in kept.split(",")}
    if "*" in outside or outside >= LOCAL:
        return ok(f"{name} is set, and not used for this machine")
    wanted = ",".join([*sorted(LOCAL | {"::1"}), *sorted(outside - LOCAL - {"", "::1"})])
    told = f"{name} is set, and NO_PROXY does not leave out {' and '.join(sorted(LOCAL))}"
    return warn(told, f"export NO_PROXY={wanted} no_proxy={wanted}")


def _unreachable() -> str:
    try:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(1)
            socket.create_connection(listening.getsockname(), LIMIT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
