"""A server elsewhere that does whatever a request's model name says, at the level of bytes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

# Spaces, line ends, unknown fields and comments that no encoder of ours would write.
EVENTS = (
    b': thinking\r\n\r\ndata:  {"id":"a", "choices":[{"index":0,'
    b'"delta":{"content":"One \xc3\xa9"}}],"odd" : 1.50}\r\n\r\n',
    b'event: x\ndata: {"choices":[{"delta":{"content":" two"}}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],\n'
    b'data: "usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n',
    b"data: [DONE]\n\n",
)
WHOLE = (
    b'{"object" : "chat.completion", "choices":[{"index":0,"message":{"role":"assistant","content":'
    b'"One two"},"finish_reason":"stop"}],\n "usage":{"prompt_tokens":7,"completion_tokens":2,'
    b'"total_tokens":9}, "theirs": 1.0}'
)


class Hostile:
    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, object]]] = []
        self.gone = asyncio.Event()
        self.go_on = asyncio.Event()
        self.failures = 0
        self.flooded = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Hostile"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def models(self) -> list[object]:
        return [body["model"] for _, _, body in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        lines = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in lines}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))))
        path = head[0].split(" ")[1]
        self.requests.append((path, headers, body))
        out = Out(writer)
        act = getattr(self, "do_" + str(body["model"]).replace("-", "_"))
        return bool(await act(reader, out, body, headers))

    # --- what it can do; True: the connection goes on ------------------------------------------

    async def do_ok(self, reader, out, body, headers) -> bool:
        if not body.get("stream"):
            await out.answer(200, WHOLE, more="x-ratelimit-remaining: 3\r\nset-cookie: a=b\r\n")
            return True
        await out.stream()
        for event in EVENTS:
            await out.chunk(event)
        await out.chunk(b"")
        return True

    async def do_split(self, reader, out, body, headers) -> bool:
        """Each byte in a packet of its own, also within letters and line ends."""
        await out.stream()
        for byte in b"".join(EVENTS):
            await out.chunk(bytes([byte]))
        await out.chunk(b"")
        return True

    async def do_flaky(self, reader, out, body, headers) -> bool:
        if self.failures:
            self.failures -= 1
            return False
        return await self.do_ok(reader, out, body, headers)

    async def do_flaky_503(self, reader, out, body, headers) -> bool:
        if self.failures:
            self.failures -= 1
            await out.answer(503, b"<html>no server is available</html>", "text/html")
            return True
        return await self.do_ok(reader, out, body, headers)

    async def do_flaky_head(self, reader, out, body, headers) -> bool:
        """The head of a stream, and then nothing."""
        if self.failures:
            self.failures -= 1
            await out.stream()
            return False
        return await self.do_ok(reader, out, body, headers)

    async def do_half(self, reader, out, body, headers) -> bool:
        if not body.get("stream"):
            await out.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            await out.raw(b"connection: close\r\n\r\n" + WHOLE[:40])
            return False
        await out.stream()
        await out.chunk(EVENTS[0] + EVENTS[1] + b'data: {"choices":[{"delta":{"con')
        return False

    async def do_no_done(self, reader, out, body, headers) -> bool:
        await out.stream()
        await out.chunk(EVENTS[0])
        await out.chunk(b"")
        return True

    async def do_finish_without_done(self, reader, out, body, headers) -> bool:
        await out.stream()
        await out.chunk(b"".join(EVENTS[:3]))
        await out.chunk(b"")
        return True

    async def do_stall(self, reader, out, body, headers) -> bool:
        if body.get("stream"):
            await out.stream()
            await out.chunk(EVENTS[0])
        else:
            await out.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            await out.raw(b"content-length: 500\r\n\r\n{")
        return await self._until_gone(reader)

    async def do_mute(self, reader, out, body, headers) -> bool:
        return await self._until_gone(reader)

    async def do_held(self, reader, out, body, headers) -> bool:
        await self.go_on.wait()
        return await self.do_ok(reader, out, body, headers)

    async def do_slow(self, reader, out, body, headers) -> bool:
        """Longer than the time between two bytes may be, but never silent for so long."""
        await out.stream()
        for event in [EVENTS[1]] * 24 + list(EVENTS[2:]):
            await asyncio.sleep(0.2)
            await out.chunk(event)
        await out.chunk(b"")
        return True

    async def do_flood(self, reader, out, body, headers) -> bool:
        """More than a client that does not read can be sent, for ever."""
        await out.stream()
        try:
            while True:
                await out.chunk(EVENTS[1] * 200)
                self.flooded += 1
        finally:
            self.gone.set()

    async def do_500(self, reader, out, body, headers) -> bool:
        await out.answer(500, b'{"error":{"message":"the cache is on fire"}}')
        return True

    async def do_500_html(self, reader, out, body, headers) -> bool:
        await out.answer(500, b"<html>oops</html>", "text/html")
        return True

    async def do_503(self, reader, out, body, headers) -> bool:
        await out.answer(503, b'{"error":{"message":"full"}}', more="retry-after: 7\r\n")
        return True

    async def do_429(self, reader, out, body, headers) -> bool:
        await out.answer(429, b'{"error":{"message":"slower"}}', more="retry-after: 3\r\n")
        return True

    async def do_400(self, reader, out, body, headers) -> bool:
        await out.answer(400, b'{"error": {"message":"no such knob",  "param":"knob"}}')
        return True

    async def do_404_html(self, reader, out, body, headers) -> bool:
        await out.answer(404, b"<html>nothing here</html>", "text/html")
        return True

    async def do_401(self, reader, out, body, headers) -> bool:
        told = json.dumps({"error": {"message": f"Wrong key: {headers['authorization']}"}})
        await out.answer(401, told.encode())
        return True

    async def do_302(self, reader, out, body, headers) -> bool:
        await out.answer(302, b"", more="location: http://127.0.0.1:1/login\r\n")
        return True

    async def do_login_page(self, reader, out, body, headers) -> bool:
        await out.answer(200, b"<html>Welcome to the hotel</html>", "text/html")
        return True

    async def do_nonsense(self, reader, out, body, headers) -> bool:
        await out.raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        return False

    async def do_embed(self, reader, out, body, headers) -> bool:
        await out.answer(200, b'{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens":4}}')
        return True

    async def _until_gone(self, reader: asyncio.StreamReader) -> bool:
        while await reader.read(100):
            pass
        self.gone.set()
        return False


class Out:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(
        self, status: int, body: bytes, kind: str = "application/json", more: str = ""
    ) -> None:
        head = f"HTTP/1.1 {status} Told\r\ncontent-type: {kind}\r\n{more}"
        await self.raw(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    async def stream(self) -> None:
        await self.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))
