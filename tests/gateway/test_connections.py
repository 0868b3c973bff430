"""Clients that no library is: HTTP/1.0, and one that closes its own direction and listens on."""

import asyncio
import json
import socket
from typing import Any

import pytest

from .conftest import Gateway
from .raw import Raw

# Far longer than any of it takes.
PATIENCE = 60


def exchange(port: int, *pieces: bytes, half_close: bool = True) -> bytes:
    """Send, close our direction, and read until the other side ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        for piece in pieces:
            sock.sendall(piece)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        came = b""
        while piece := sock.recv(65536):
            came += piece
    return came


def post(prompt: str, version: str = "1.1", head: str = "", **more: Any) -> bytes:
    messages = [{"role": "user", "content": prompt}]
    body = json.dumps({"model": "fake", "messages": messages, **more}).encode()
    line = f"POST /v1/chat/completions HTTP/{version}\r\nhost: localhost\r\n{head}"
    return f"{line}content-length: {len(body)}\r\n\r\n".encode() + body


def said(body: bytes) -> str:
    """What a whole answer, or a stream of events, says."""
    if body.startswith(b"{"):
        return str(json.loads(body)["choices"][0]["message"]["content"])
    events = [line[6:] for line in body.decode().split("\n") if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + rest[:length], rest[length + 2 :]
        if not length:
            assert not body
    return whole


async def test_http_1_0_gets_no_chunks_and_its_stream_ends_with_the_connection(
    gateway: Gateway,
) -> None:
    for stream in (False, True):
        request = post("once upon a time", "1.0", stream=stream)
        came = await asyncio.to_thread(exchange, gateway.port, request, half_close=False)
        head, _, body = came.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"transfer-encoding" not in head.lower()
        assert b"connection: close" in head.lower()
        assert said(body) == "once upon a time"
    await gateway.still_works()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("prompt", ["at once", "[[wait 0.3]] and later"])
async def test_a_client_that_closes_its_direction_is_answered(
    gateway: Gateway, prompt: str, stream: bool, version: str
) -> None:
    request = post(prompt, version, stream=stream)
    came = await asyncio.to_thread(exchange, gateway.port, request)
    head, _, body = came.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    plain = unchunked(body) if b"chunked" in head else body
    assert said(plain) == prompt.removeprefix("[[wait 0.3]] ")
    await gateway.still_works()


async def test_it_may_close_it_in_the_middle_of_a_stream(gateway: Gateway) -> None:
    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as sock:
            sock.sendall(post("[[tokens 200]] x", stream=True))
            came = sock.recv(65536)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                came += piece
            return came

    head, _, body = (await asyncio.to_thread(talk)).partition(b"\r\n\r\n")
    assert b"chunked" in head
    assert len(said(unchunked(body)).split()) == 200
    await gateway.still_works()


async def test_all_that_it_asked_for_in_one_go_is_answered(gateway: Gateway) -> None:
    asked = [post(f"[[wait 0.1]] number {i}") for i in range(3)]
    came = await asyncio.to_thread(exchange, gateway.port, *asked)
    assert [came.count(b'"number %d"' % i) for i in range(3)] == [1, 1, 1]
    assert came.count(b"HTTP/1.1 200 OK\r\n") == 3


async def test_a_refusal_and_a_page_arrive_as_well(gateway: Gateway) -> None:
    came = await asyncio.to_thread(exchange, gateway.port, post("x", temperature=-3))
    assert came.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"temperature"' in came
    came = await asyncio.to_thread(
        exchange, gateway.port, b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    )
    assert came.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_half_body_and_its_end_leave_nothing_behind(gateway: Gateway) -> None:
    assert await asyncio.to_thread(exchange, gateway.port, post("cut off")[:-5]) == b""
    assert await asyncio.to_thread(exchange, gateway.port, b"POST /v1/chat") == b""
    await gateway.still_works()


async def test_one_that_closes_its_direction_first_and_leaves_later_is_cancelled(
    gateway: Gateway,
) -> None:
    service = gateway.service
    for stream in (False, True):
        cancelled = len(service.cancelled)
        raw = await Raw.open(gateway.port)
        await raw.send(post("[[wait 600]] x", stream=stream))
        raw.writer.write_eof()
        async with asyncio.timeout(PATIENCE), service.progressed:
            await service.progressed.wait_for(lambda: service.running == 1)
        service.cancel_seen.clear()
        raw.close()
        async with asyncio.timeout(PATIENCE):
            await service.cancel_seen.wait()
        assert len(service.cancelled) == cancelled + 1
    await gateway.still_works()


UPGRADE = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"


def health(head: str = "") -> bytes:
    return f"GET /health HTTP/1.1\r\nhost: localhost\r\n{head}\r\n".encode()


async def test_who_would_rather_speak_http_2_is_answered_in_what_it_speaks(
    gateway: Gateway,
) -> None:
    """Java's client asks so with every request; a body that it sends along is read."""
    asked = [post("one", head=UPGRADE), health(UPGRADE), post("two", head=UPGRADE), health()]
    came = await asyncio.to_thread(exchange, gateway.port, b"".join(asked))
    assert came.count(b"HTTP/1.1 200 OK\r\n") == 4
    assert came.index(b'"one"') < came.index(b'"two"')
    halves = post("in halves", head=UPGRADE)
    came = await asyncio.to_thread(exchange, gateway.port, halves[:100], halves[100:])
    assert b'"in halves"' in came
    closing = health("connection: upgrade, close\r\nupgrade: h2c\r\n")
    came = await asyncio.to_thread(exchange, gateway.port, closing, half_close=False)
    assert came.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in came
    await gateway.still_works()


@pytest.mark.parametrize(
    ("head", "named"),
    [
        ("host: elsewhere\r\n", "host"),
        ("authorization: a\r\nauthorization: b\r\n", "authorization"),
        ("transfer-encoding: gzip, chunked\r\n", "transfer-encoding"),
    ],
)
async def test_a_head_that_could_be_understood_in_two_ways_is_refused_by_name(
    gateway: Gateway, head: str, named: str
) -> None:
    came = await asyncio.to_thread(exchange, gateway.port, health(head))
    status, _, body = came.partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 400 ")
    assert f"The header {named} " in json.loads(body)["error"]["message"]
    await gateway.still_works()
