"""The servers that are compared: how each is started, and that it is really gone afterwards."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil

from mlxd.bench import Answer, Target, Unusable, one_message
from mlxd.smoke.lifecycle import free_port

# A start that takes longer than this has failed: the slowest measured took 5 s.
START_LIMIT_SECONDS = 120
# Between two tries to reach a server that is starting; small beside the 1 s of the fastest start.
RETRY_SECONDS = 0.01
STOP_LIMIT_SECONDS = 20
LOG_LINES_SHOWN = 15


@dataclass(frozen=True)
class Server:
    """`command` may hold {python}, {bin} (where it lies), {model}, {port} and {scratch}."""

    name: str
    command: tuple[str, ...]

    def arguments(self, model: Path, port: int, scratch: Path, python: str) -> list[str]:
        folder = Path(python).parent
        return [
            part.format(python=python, bin=folder, model=model, port=port, scratch=scratch)
            for part in self.command
        ]


MLXD = Server(
    "mlxd",
    (
        "{python}", "-m", "mlxd", "serve",
        "--port", "{port}", "--model", "{model}", "--data-dir", "{scratch}",
    ),
)  # fmt: skip
MLX_LM = Server("mlx_lm.server", ("{python}", "-m", "mlx_lm", "server", "--model", "{model}", "--port", "{port}"))  # fmt: skip  # noqa: E501
MLX_VLM = Server(
    "mlx_vlm.server",
    ("{python}", "-m", "mlx_vlm.server", "--model", "{model}", "--port", "{port}", "--host", "127.0.0.1"),  # noqa: E501
)  # fmt: skip
SERVERS = {server.name: server for server in (MLXD, MLX_LM, MLX_VLM)}
# Only when asked for: installed from PyPI into an environment of their own.
EXTRA = {
    "vllm-mlx": Server(
        "vllm-mlx",
        ("{bin}/vllm-mlx", "serve", "{model}", "--port", "{port}", "--continuous-batching"),
    ),
    "rapid-mlx": Server(
        "rapid-mlx", ("{bin}/rapid-mlx", "serve", "{model}", "--port", "{port}", "--yes")
    ),
}


class Running:
    """A started server. `begun` is when its process was asked for."""

    def __init__(self, server: Server, model: Path, scratch: Path, python: str) -> None:
        self.server = server
        self.model = model
        self.port = free_port()
        self.log = scratch / "server.log"
        # Nobody may look anything up on the way: the checkpoint is on the disk.
        ours = {k: v for k, v in os.environ.items() if not k.startswith("MLXD_")}
        environment = {**ours, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        arguments = server.arguments(model, self.port, scratch, python)
        with self.log.open("wb") as log:
            self.begun = perf_counter()
            self.process = subprocess.Popen(
                arguments,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def target(self, series: str) -> Target:
        from mlxd.bench import Client

        return Target(self.server.name, Client(self.url), str(self.model), series=series)

    async def first_answer(self, target: Target) -> Answer:
        """Ask until the first token is answered."""
        deadline = self.begun + START_LIMIT_SECONDS
        while perf_counter() < deadline:
            answer = await target.ask(one_message("hello"), 1)
            if answer.fault is None:
                return answer
            # "Not yet" is no connection, 503 or 429. Any other refusal would come again for ever.
            refused = 400 <= answer.status < 500 and answer.status != 429
            if refused or self.process.poll() is not None:
                break
            await asyncio.sleep(RETRY_SECONDS)
        raise Unusable(f"{self.server.name} gave no answer ({answer.fault}). {self.last_words()}")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "Its last output:\n    " + "\n    ".join(lines)

    def family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def cpu_by_process(self) -> dict[str, float]:
        """Seconds of processor that each process has used, the oldest one first."""
        used = {}
        for place, process in enumerate(self.family()):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                name = "server" if place == 0 else f"child {place}"
                used[name] = times.user + times.system
        return used

    def rss(self) -> int:
        total = 0
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def stop(self) -> None:
        family = self.family()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(family, timeout=STOP_LIMIT_SECONDS)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(timeout=STOP_LIMIT_SECONDS)


@contextlib.asynccontextmanager
async def running(
    server: Server, model: Path, series: str, python: str = sys.executable
) -> AsyncIterator[tuple[Running, Target]]:
    """A fresh process that has answered once; it is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        instance = Running(server, model, Path(scratch), python)
        target = instance.target(series)
        try:
            await instance.first_answer(target)
            yield instance, target
        finally:
            target.client.close()
            instance.stop()


async def start_to_token(server: Server, model: Path, python: str = sys.executable) -> float:
    """Seconds from starting the process to the first token of the first answer."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        instance = Running(server, model, Path(scratch), python)
        target = instance.target("start")
        try:
            answer = await instance.first_answer(target)
            return answer.arrivals[0] - instance.begun
        finally:
            target.client.close()
            instance.stop()


def install(package: str, folder: Path) -> str:
    """A throw-away environment with this package; returns its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        backend = "mlx[cpu]" if sys.platform == "linux" else "mlx"
        subprocess.run(["uv", "venv", "--quiet", str(folder)], check=True)
        command = ["uv", "pip", "install", "--quiet", "--python", str(python), package, backend]
        subprocess.run(command, check=True)
    return str(python)
