"""The client tells a whole answer from one that was cut off, on every kind of connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.ports import free_port
from tests.processes import PATIENCE_S

from mlxd.bench import Client, Target, Unusable

HEAD_10 = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
HEAD_11 = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Script:
    """Answers every request with the same bytes; counts connections and requests."""

    def __init__(self, *pieces: bytes, close: bool = False) -> None:
        self.pieces = pieces
        self.close = close
        self.connections = 0
        self.requests: list[bytes] = []
        self.left = asyncio.Event()
        self.handling: set[asyncio.Task[None] | None] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.handling.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.requests.append(head + await reader.readexactly(int(length or 0)))
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                if self.close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def serving(script: Script, limit: float = PATIENCE_S) -> AsyncIterator[Client]:
    server = await asyncio.start_server(script.handle, "127.0.0.1", 0)
    client = Client(f"127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", limit=limit)
    try:
        yield client
    finally:
        client.close()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in script.handling if task))


async def test_chunked_answers_come_whole_over_one_connection() -> None:
    script = Script(HEAD_11, chunk(b"ab"), chunk(b"c"), b"0\r\n\r\n")
    async with serving(script) as client:
        for round_ in range(3):
            reply = await client.post("/v1/x", b"{}")
            assert (reply.fault, reply.status, reply.body) == (None, 200, b"abc")
            assert reply.reused is (round_ > 0)
            assert reply.sent <= reply.pieces[0][0] <= reply.ended
    assert script.connections == 1
    assert script.requests[0].startswith(b"POST /v1/x HTTP/1.1\r\n")
    assert script.requests[0].endswith(b"\r\n\r\n{}")


async def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    async with serving(Script(HEAD_10, b"abc", close=True)) as client:
        reply = await client.get("/health")
    assert (reply.fault, reply.body) == (None, b"abc")


@pytest.mark.parametrize(
    "pieces",
    [
        (HEAD_11, chunk(b"ab")),
        (HEAD_11, b"5\r\nab"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",),
        (b"HTTP/1.1 200",),
        (),
    ],
)
async def test_an_answer_cut_off_is_at_fault(pieces: tuple[bytes, ...]) -> None:
    async with serving(Script(*pieces, close=True)) as client:
        reply = await client.post("/v1/x", b"{}")
    assert reply.fault is not None
    assert "connection lost" in reply.fault


async def test_what_is_no_http_is_said_to_be_none() -> None:
    async with serving(Script(b"220 mail.example ESMTP\r\n", close=True)) as client:
        reply = await client.get("/")
    assert reply.fault is not None
    assert "not HTTP" in reply.fault


async def test_an_answer_that_never_ends_is_given_up() -> None:
    script = Script(HEAD_11, chunk(b"ab"))
    async with serving(script, limit=0.2) as client:
        reply = await client.post("/v1/x", b"{}")
        assert reply.fault is not None
        assert "no end within" in reply.fault
        assert reply.body == b"ab"
        await script.left.wait()


async def test_leaving_closes_the_connection() -> None:
    script = Script(HEAD_11, chunk(b"ab"))
    arrived = asyncio.Event()
    async with serving(script) as client:
        asking = asyncio.create_task(client.post("/v1/x", b"{}", lambda *_: arrived.set()))
        await arrived.wait()
        asking.cancel()
        await script.left.wait()


async def test_nobody_there_is_a_fault_and_no_exception() -> None:
    port = free_port()
    reply = await Client(f"http://127.0.0.1:{port}").get("/")
    assert reply.fault is not None
    assert "no connection" in reply.fault
    with pytest.raises(Unusable, match="no connection"):
        await Target.at("x", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["ftp://x", "http://", "file:///etc/passwd"])
def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not a URL such as"):
        Client(url)


async def test_the_api_key_goes_along() -> None:
    script = Script(HEAD_11, b"0\r\n\r\n")
    async with serving(script) as client:
        keyed = Client(f"http://{client.host}:{client.port}", api_key="k")
        await keyed.get("/v1/models")
        keyed.close()
    assert b"Authorization: Bearer k\r\n" in script.requests[0]


async def test_each_piece_is_watched_as_it_arrives() -> None:
    seen: list[bytes] = []
    async with serving(Script(HEAD_11, chunk(b"a"), chunk(b"b"), b"0\r\n\r\n")) as client:
        await client.post("/v1/x", b"", lambda time, piece: seen.append(piece))
    assert b"".join(seen) == b"ab"
