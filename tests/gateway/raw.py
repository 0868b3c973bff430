"""HTTP by hand, for what no client would send."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.processes import PATIENCE_S


@dataclass
class Answer:
    status: int
    head: str
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


class Raw:
    opened: ClassVar[list["Raw"]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        Raw.opened.append(self)

    @classmethod
    async def open(cls, port: int) -> "Raw":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def post(
        self, body: bytes, *, path: str = "/v1/chat/completions", more: str = ""
    ) -> None:
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{more}"
        if "content-length" not in more and "transfer-encoding" not in more:
            head += f"content-length: {len(body)}\r\n"
        await self.send(head.encode("latin-1") + b"\r\n" + body)

    async def answer(self, seconds: float = PATIENCE_S) -> Answer:
        async with asyncio.timeout(seconds):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(head.split(" ", 2)[1])
            length = [line for line in head.lower().split("\r\n") if "content-length" in line]
            body = await self.reader.readexactly(int(length[0].split(":")[1])) if length else b""
        return Answer(status, head, body)

    async def ended(self, seconds: float = PATIENCE_S) -> bool:
        """The server closes; whatever it still says is dropped."""
        async with asyncio.timeout(seconds):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                return True
        return True

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()

    @classmethod
    async def close_all(cls) -> None:
        while cls.opened:
            raw = cls.opened.pop()
            raw.abort()
            with contextlib.suppress(ConnectionError):
                await raw.writer.wait_closed()
