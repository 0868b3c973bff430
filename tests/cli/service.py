"""`mlxd serve` as a real process, with fake engines behind it."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import psutil
from tests.processes import PATIENCE_S, beneath, end
from tests.supervisor.harness import ROOT, fake, write_model

MAIN = """
import json, sys
sys.path.insert(0, sys.argv.pop(1))
import mlxd.cli
from mlxd.cli import serve
command = json.loads(sys.argv.pop(1))
run = serve.run
serve.run = lambda settings, again: run(settings, command, again)
mlxd.cli.main()
"""


class Service:
    def __init__(self, folder: Path, *switches: str, arguments: tuple[str, ...] = ()) -> None:
        self.data = folder / "data"
        model = folder / "fake"
        if not model.exists():
            write_model(model)
        # -c: the command line as it is, except for what it starts as an engine.
        command = [sys.executable, "-c", MAIN, str(ROOT), json.dumps(fake(*switches)), "serve"]
        command += ["--model", str(model), "--port", "0", "--data-dir", str(self.data)]
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MLXD_CONFIG": os.devnull},
        )
        self.output = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        until = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.output)) is None:
            left = until - time.monotonic()
            readable, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            data = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            assert data, f"no {pattern!r} in:\n{self.output}"
            self.output += data.decode(errors="replace")
        return found

    @property
    def url(self) -> str:
        return self.wait_for(r"listening on (http://\S+)")[1]

    def engines(self) -> list[psutil.Process]:
        return beneath(self.process.pid, "--heartbeat")

    def chat(self, prompt: str, **more: object) -> httpx2.Response:
        return httpx2.post(self._chat, json=_body(prompt, **more), timeout=PATIENCE_S)

    def stream(self, prompt: str) -> AbstractContextManager[httpx2.Response]:
        body = _body(prompt, stream=True)
        return httpx2.stream("POST", self._chat, json=body, timeout=PATIENCE_S)

    @property
    def _chat(self) -> str:
        return f"{self.url}/v1/chat/completions"

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def _body(prompt: str, **more: object) -> dict[str, object]:
    return {"model": "fake", "messages": [{"role": "user", "content": prompt}], **more}


@contextlib.contextmanager
def serving(folder: Path, *switches: str, arguments: tuple[str, ...] = ()) -> Iterator[Service]:
    service = Service(folder, *switches, arguments=arguments)
    engines: list[psutil.Process] = []
    try:
        yield service
        engines = service.engines()
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.communicate()
        end(engines)
