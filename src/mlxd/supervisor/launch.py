"""Starting an engine process. Imported before anything heavy, so that a model can load while the
gateway still imports its libraries."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from mlxd.catalog import ModelEntry
from mlxd.settings import LoggingSettings, Settings, environment_name

if TYPE_CHECKING:
    import asyncio

    from mlxd.wire import GatewayEnd

# -P: a file named like a library in the folder where mlxd was started must not be imported.
ENGINE = (sys.executable, "-P", "-m", "mlxd.engine")
# Enough of the end of a log to hold a traceback.
TAIL_BYTES = 16_384


class Child:
    """A running engine process and our end of its channel."""

    def __init__(self, process: "subprocess.Popen[bytes]", sock: socket.socket, log: Path) -> None:
        self.pid = process.pid
        self._sock = sock
        self.log = log
        self._process = process
        self._reaped = False

    async def open(self) -> "GatewayEnd":
        from mlxd.wire import GatewayEnd

        return await GatewayEnd.open(self._sock)

    async def streams(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
        """Our end as plain bytes, for a process that does not speak in frames."""
        import asyncio

        return await asyncio.open_connection(sock=self._sock)

    def signal(self, number: int) -> None:
        """To its whole group, so that a compiler it started goes too. Nothing once it is reaped:
        the number may be another's by then."""
        if not self._reaped:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return
            except PermissionError:
                # macOS answers so for a group of zombies.
                return

    def abandon(self) -> None:
        """It is not wanted after all: its channel ends, and it with it."""
        self._sock.close()
        self.signal(signal.SIGTERM)
        self.on_exit(lambda _code: None)

    def on_exit(self, tell: Callable[[int], None]) -> None:
        """Call `tell` with the return code from a thread, once the process is reaped."""
        threading.Thread(
            target=lambda: tell(self.reap()), name=f"reaper-{self.pid}", daemon=True
        ).start()

    def reap(self) -> int:
        if hasattr(os, "waitid"):
            # Its number stays taken until it is reaped, so what is left of its group can be ended.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self.signal(signal.SIGKILL)
        code = self._process.wait()
        self._reaped = True
        return code


def engine_arguments(entry: ModelEntry, settings: Settings) -> list[str]:
    """What follows `--fd N` on the engine's command line. What is not set, the engine chooses."""
    engine = settings.engine
    chosen = {
        "weights": "keep" if engine.weights == "as-is" else engine.weights,
        "blas": engine.blas,
        "kv_bytes": engine.kv_budget,
        "prefix_bytes": engine.prefix_cache_bytes,
        "rows": engine.max_batch,
        "prefill_chunk": engine.prefill_chunk,
        "pixel_limit": settings.images.pixel_limit,
    }
    given = {key: value for key, value in chosen.items() if value is not None}
    text = msgspec.json.encode(given).decode()
    return ["--model", str(entry.path), "--name", entry.id, "--settings", text]


def engine_environment(settings: Settings) -> dict[str, str]:
    """Ours, without the secrets: an engine needs none of them."""
    secrets = {one.key_env for one in settings.remotes} | {environment_name("server.token")}
    return {name: value for name, value in os.environ.items() if name not in secrets}


def launch(
    arguments: Sequence[str],
    log: Path,
    *,
    command: Sequence[str] = ENGINE,
    env: Mapping[str, str] | None = None,
) -> Child:
    """Start an engine in a session of its own. OSError when that is not possible."""
    ours, theirs = socket.socketpair()
    try:
        with theirs, _output(log) as output:
            process = subprocess.Popen(
                [*command, "--fd", str(theirs.fileno()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=env,
            )
    except OSError:
        ours.close()
        raise
    return Child(process, ours, log)


def _output(log: Path) -> BinaryIO:
    """A disk without room, or a folder that may not be written, costs the log, not the engine."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("ab")
    except OSError as error:
        why = error.strerror or error
        # Imported for this rare case alone: the first engine is launched before all else.
        import logging

        logging.getLogger(__name__).warning(
            "%s can't be written (%s): what this process says is lost until its next start.",
            log,
            why,
        )
        return open(os.devnull, "ab")


def log_file(data_dir: Path, name: str) -> Path:
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name).lstrip(".")
    return data_dir / "logs" / f"engine-{safe or 'model'}.log"


def rotate(log: Path, settings: LoggingSettings) -> None:
    """Move a full log aside by copying: the engine keeps its descriptor, opened for appending."""
    try:
        if log.stat().st_size < settings.file_bytes:
            return
        for i in range(settings.files - 1, 0, -1):
            older = log.with_name(f"{log.name}.{i}")
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{i + 1}"))
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)
    except OSError:
        # A full disk must not cost an answer; the log grows until there is room again.
        return
    log.with_name(f"{log.name}.{settings.files}").unlink(missing_ok=True)


def log_tail(log: Path, lines: int = 5) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
