"""A real engine process, spoken to over its channel."""

import contextlib
import itertools
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
from tests.processes import PATIENCE_S, POLL_S, stands_still

from mlxd.wire import (
    CallDelta,
    Cancel,
    Chat,
    Down,
    Drained,
    Event,
    Failed,
    Finish,
    Hello,
    ImagePart,
    Message,
    Progress,
    Sampling,
    Step,
    Submit,
    TextPart,
    TokenLogprob,
    Tokens,
    Up,
    Usage,
    Why,
)
from mlxd.wire.channel import encode

_up = msgspec.msgpack.Decoder(Up)
GREEDY = Sampling(temperature=0.0)


@dataclass
class Answer:
    """Everything that one request brought, folded."""

    tokens: list[int] = field(default_factory=list)
    text: str = ""
    reasoning: str = ""
    calls: list[CallDelta] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish: Finish | None = None
    why: Why = ""
    usage: Usage | None = None
    failed: Failed | None = None

    @property
    def over(self) -> bool:
        return self.finish is not None or self.failed is not None

    def take(self, event: Event) -> None:
        assert not self.over, "something came after the end"
        self.tokens += event.tokens
        self.text += event.text
        self.reasoning += event.reasoning
        self.calls += event.calls
        self.logprobs += event.logprobs
        self.finish, self.why, self.usage = event.finish, event.why, event.usage


class Engine:
    def __init__(self, model: Path, **settings: Any) -> None:
        mine, theirs = socket.socketpair()
        command = [sys.executable, "-m", "mlxd.engine", "--fd", str(theirs.fileno())]
        command += ["--model", str(model), "--settings", msgspec.json.encode(settings).decode()]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL
        )
        theirs.close()
        self.socket = mine
        # While it imports the libraries of a model it says nothing.
        self.socket.settimeout(2 * PATIENCE_S)
        self._came = bytearray()
        self._ids = itertools.count(1)
        self.answers: dict[int, Answer] = {}
        self.progress = Progress("")
        self.looked_at: list[int] = []
        self.drained = False
        self.hello: Hello | None = None

    def ready(self) -> "Engine":
        while self.hello is None:
            self.receive()
            fault = self.answers.get(0)
            assert fault is None, fault
        return self

    def send(self, frame: Down) -> None:
        self.socket.sendall(encode(frame))

    def receive(self) -> Up:
        while (length := self._whole()) is None:
            came = self.socket.recv(1 << 20)
            if not came:
                raise EOFError(f"the engine ended with {self.process.wait(PATIENCE_S)}")
            self._came += came
        frame: Up = _up.decode(bytes(self._came[4 : 4 + length]))
        del self._came[: 4 + length]
        match frame:
            case Hello():
                self.hello = frame
            case Progress():
                self.progress = frame
                self.looked_at += [frame.pixels] if frame.pixels else []
            case Step():
                for event in frame.events:
                    self.answers.setdefault(event.id, Answer()).take(event)
            case Failed():
                self.answers.setdefault(frame.id, Answer()).failed = frame
            case Drained():
                self.drained = True
        return frame

    def _whole(self) -> int | None:
        """The length of the next frame, when all of it is here."""
        length = int.from_bytes(self._came[:4], "little")
        return length if len(self._came) >= 4 + length else None

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """It does nothing meanwhile, and all that it has said until then has been read."""
        process = psutil.Process(self.process.pid)
        process.suspend()
        try:
            while not stands_still(process):
                time.sleep(POLL_S)
            while self._whole() is not None or select.select([self.socket], [], [], 0)[0]:
                if self._whole() is not None:
                    self.receive()
                else:
                    self._came += self.socket.recv(1 << 20)
            yield
        finally:
            process.resume()

    def submit(self, asked: Any, **options: Any) -> int:
        """`asked`: token ids, a text for the user's message, or an input frame."""
        request = next(self._ids)
        if isinstance(asked, str):
            asked = say(asked)
        elif isinstance(asked, list):
            asked = Tokens(asked)
        options.setdefault("sampling", GREEDY)
        options.setdefault("max_tokens", 12)
        self.answers[request] = Answer()
        self.send(Submit(request, asked, **options))
        return request

    def submit_and_cancel(self, *asked: Chat, **options: Any) -> list[int]:
        requests = [next(self._ids) for _ in asked]
        self.answers |= {request: Answer() for request in requests}
        frames: list[Down] = []
        for request, chat in zip(requests, asked, strict=True):
            frames += [Submit(request, chat, GREEDY, **options), Cancel(request)]
        self.socket.sendall(b"".join(map(encode, frames)))
        return requests

    def wait(self, *requests: int) -> list[Answer]:
        while not all(self.answers[r].over for r in requests):
            self.receive()
        return [self.answers[r] for r in requests]

    def ask(self, asked: Any, **options: Any) -> Answer:
        return self.wait(self.submit(asked, **options))[0]

    def cancel(self, request: int) -> None:
        self.send(Cancel(request))

    def until_idle(self) -> Progress:
        """Wait for a heartbeat that says nothing is running or waiting."""
        while True:
            frame = self.receive()
            if isinstance(frame, Progress) and frame.phase == "idle":
                return frame

    def until_gone(self) -> None:
        """Take what the engine still says until its end of the channel closes."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.receive()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
        try:
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()


def say(text: str, *images: bytes) -> Chat:
    parts = [ImagePart(data, f"messages[0].content[{i}]") for i, data in enumerate(images)]
    return Chat([Message("user", [*parts, TextPart(text)])])


@contextlib.contextmanager
def engine(model: Path, **settings: Any) -> Iterator[Engine]:
    started = Engine(model, **settings)
    try:
        yield started.ready()
    finally:
        started.close()
