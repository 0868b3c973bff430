"""Who listens on a port. Looked at to name it, never to end it."""

import msgspec


class Owner(msgspec.Struct, frozen=True):
    """`pid` None: the system does not tell us, as it is another user's."""

    pid: int | None
    command: str

    def __str__(self) -> str:
        return self.command if self.pid is None else f"process {self.pid} ({self.command})"


def port_owner(port: int) -> Owner | None:
    """Works without lsof and netstat. None when nobody listens."""
    import psutil

    try:
        listening = [
            c.pid
            for c in psutil.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port
        ]
    except psutil.AccessDenied:
        # macOS shows the whole table to root alone; our own user's processes can still be asked.
        listening = _asked_one_by_one(port)
    if not listening:
        return None
    pid = next((pid for pid in listening if pid is not None), None)
    return Owner(pid, "a process of another user" if pid is None else _command(pid))


def listens(pid: int, port: int) -> bool:
    """Whether this process has the port, on whichever address."""
    import psutil

    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def _asked_one_by_one(port: int) -> list[int | None]:
    import psutil

    found: list[int | None] = []
    for process in psutil.process_iter():
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:
            continue
        if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
            found.append(process.pid)
    return found


def _command(pid: int) -> str:
    import psutil

    try:
        process = psutil.Process(pid)
        return " ".join(process.cmdline())[:200] or process.name()
    except psutil.Error:
        return "of which nothing more is known"
