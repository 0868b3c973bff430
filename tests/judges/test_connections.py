"""Clients that send too much, too slowly, in pieces, or leave, at every stage of a request."""

import base64
import contextlib
import json
import random
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from .service import HELLO, Service, answered, refused

LONG = {"model": "tiny", "messages": HELLO, "max_tokens": 20_000, "ignore": "stop"}
# Never ends by itself: the end of the answer is the one token that may not be drawn.
ENDLESS = {**LONG, "logit_bias": {"2039": -100}}


def head(length: int, *more: str, path: str = "/v1/chat/completions") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {length}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def request(body: Any) -> bytes:
    content = json.dumps(body).encode()
    return head(len(content)) + content


def reset(connection: socket.socket) -> None:
    """Close as a crashing client does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_all(connection: socket.socket) -> bytes:
    """Until the other side closes."""
    made = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            made += part
    return bytes(made)


def read_answer(stream: Any) -> Any:
    """One answer of a connection that stays open."""
    assert stream.readline().split()[1] == b"200"
    length = 0
    while (line := stream.readline().strip().lower()) != b"":
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return json.loads(stream.read(length))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.fixture(autouse=True)
def _unhurt_afterwards(service: Service) -> Iterator[None]:
    yield
    service.unhurt()


# --- bodies ----------------------------------------------------------------------------------


def test_a_hundred_megabytes_are_refused_and_read_away(service: Service) -> None:
    body = b'{"model":"tiny","messages":[{"role":"user","content":"' + b"x" * 100_000_000
    refused(service.post(body), None, 413)


def test_sixty_megabytes_of_text_are_refused_for_their_length(service: Service) -> None:
    refused(service.chat(messages=[{"role": "user", "content": "word " * 12_000_000}]), "messages")


def test_a_flood_of_values_is_refused(service: Service) -> None:
    for body in (
        b'{"model":"tiny","prompt":[' + b"1," * 3_000_000 + b"1]}",
        b'{"model":"tiny","messages":[' + b"{}," * 3_000_000 + b"{}]}",
        b"[" * 5_000_000,
        b'{"a":' * 500_000,
    ):
        refused(service.post(body, "/v1/completions"), None)


def test_a_million_messages_and_parts(service: Service) -> None:
    refused(service.chat(messages=[{"role": "user", "content": "a"}] * 30_000), "messages")
    part = {"type": "text", "text": "a "}
    refused(service.chat(messages=[{"role": "user", "content": [part] * 45_000}]), "messages")


def test_bodies_that_never_end(service: Service) -> None:
    """Declared and not sent, cut off after a whole object, or sent drop by drop."""
    waiting = [service.raw() for _ in range(4)]
    for connection, sent in zip(
        waiting, (b"", b'{"model": "tiny"', json.dumps(LONG).encode(), b""), strict=True
    ):
        connection.sendall(head(10_000) + sent)
    over = threading.Event()

    def drip() -> None:
        with contextlib.suppress(OSError):
            while not over.wait(0.1):
                waiting[-1].sendall(b" ")

    dripping = threading.Thread(target=drip)
    dripping.start()
    assert [status_of(read_all(connection)) for connection in waiting] == [408] * 4
    over.set()
    dripping.join()
    for connection in waiting:
        connection.close()


def test_a_dripping_head_and_a_silent_client(service: Service) -> None:
    slow, silent = service.raw(), service.raw()
    slow.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: local")
    assert status_of(read_all(slow)) == 408
    assert read_all(silent) == b""
    slow.close()
    silent.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
        b"GET / HTTP/1.1\r\n\r\n\r\n\r\nGARBAGE\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}{}{}",
        b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
        b"POST /v1/models HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"A" * 200_000,
        b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET http://127.0.0.1:22/nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda sent: str(sent[:60]),
)
def test_what_is_no_request_is_refused_and_cut_off(service: Service, sent: bytes) -> None:
    connection = service.raw()
    with contextlib.suppress(ConnectionError):
        connection.sendall(sent)
    answer = read_all(connection)
    assert answer == b"" or 400 <= status_of(answer) < 500
    connection.close()


def test_random_bytes_on_a_connection(service: Service) -> None:
    draw = random.Random(5)
    good = request({"model": "tiny", "messages": HELLO, "max_tokens": 1})
    for _ in range(60):
        sent = bytearray(good)
        for _ in range(draw.choice((1, 4, 30))):
            sent[draw.randrange(draw.choice((60, len(sent))))] = draw.randrange(256)
        connection = service.raw()
        connection.sendall(bytes(sent))
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
        assert answer == b"" or status_of(answer) < 500, answer
        connection.close()


def test_pipelined_requests_are_answered_in_their_order(service: Service) -> None:
    connection = service.raw()
    bodies = [{"model": "tiny", "messages": HELLO, "max_tokens": n} for n in (3, 1, 2)]
    connection.sendall(b"".join(map(request, bodies)))
    with connection.makefile("rb") as stream:
        counts = [read_answer(stream)["usage"]["completion_tokens"] for _ in bodies]
    assert counts == [3, 1, 2]
    connection.close()


def test_two_hundred_pipelined_requests_of_a_client_that_leaves(service: Service) -> None:
    connection = service.raw()
    connection.settimeout(2)
    with contextlib.suppress(OSError):
        connection.sendall(request(ENDLESS) * 200)
    reset(connection)
    service.released()


# --- leaving ---------------------------------------------------------------------------------


def working(service: Service) -> bool:
    return service.engines()["tiny"]["progress"]["running"] > 0


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closed", "reset"])
def test_leaving_before_all_is_said(service: Service, share: float, leave: Any) -> None:
    whole = request(LONG)
    for part in (whole[: int(120 * share)], whole[: int(len(whole) * share)]):
        connection = service.raw()
        connection.sendall(part)
        leave(connection)
    service.released()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closed", "reset"])
def test_leaving_at_once(service: Service, stream: bool, leave: Any) -> None:
    for _ in range(5):
        connection = service.raw()
        connection.sendall(request({**ENDLESS, "stream": stream}))
        leave(connection)
    service.released()


@pytest.mark.parametrize("stream", [True, False])
def test_leaving_while_it_is_generated(service: Service, stream: bool) -> None:
    connection = service.raw()
    connection.sendall(request({**ENDLESS, "stream": stream}))
    service.eventually(lambda: working(service))
    if stream:
        assert b"200" in connection.recv(1000)
    reset(connection)
    service.released()


def test_half_closing_is_no_leaving_but_what_follows_it_is(service: Service) -> None:
    connection = service.raw()
    connection.sendall(request({"model": "tiny", "messages": HELLO, "max_tokens": 3}))
    connection.shutdown(socket.SHUT_WR)
    answer = read_all(connection)
    assert status_of(answer) == 200
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["usage"]["completion_tokens"] >= 1
    connection.close()
    for stream in (True, False):
        connection = service.raw()
        connection.sendall(request({**ENDLESS, "stream": stream}))
        connection.shutdown(socket.SHUT_WR)
        service.eventually(lambda: working(service))
        connection.close()
        service.released()


def test_leaving_in_the_prefill(service: Service) -> None:
    long = [{"role": "user", "content": "word " * 12_000}]
    connection = service.raw()
    before = service.engines()["tiny"]["tokens_out"]
    connection.sendall(request({**ENDLESS, "messages": long}))

    def prefilling() -> bool:
        return bool(service.engines()["tiny"]["progress"]["phase"] == "prefilling")

    service.eventually(prefilling)
    reset(connection)
    service.released()
    assert service.engines()["tiny"]["tokens_out"] < before + ENDLESS["max_tokens"]


def test_leaving_while_queued(service: Service) -> None:
    """More than fit into a batch, all of which leave."""
    many = [service.raw() for _ in range(40)]
    for connection in many:
        connection.sendall(request({**ENDLESS, "stream": True}))
    service.eventually(lambda: service.engines()["tiny"]["running"] >= 40)
    for connection in many:
        reset(connection)
    service.released()


def test_a_client_that_reads_nothing_holds_nobody_else(service: Service) -> None:
    connection = service.raw()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.sendall(request({**ENDLESS, "stream": True, "logprobs": True, "top_logprobs": 20}))
    service.eventually(lambda: working(service))
    for _ in range(5):
        answered(service.chat())
    reset(connection)
    service.released()


def test_leaving_with_an_image_under_way(service: Service) -> None:
    picture = "data:image/png;base64," + base64.b64encode(b"\x89PNG" + b"x" * 3_000_000).decode()
    content = [{"type": "image_url", "image_url": {"url": picture}}]
    whole = request({"model": "tiny-vl", "messages": [{"role": "user", "content": content}]})
    for part in (whole[:2_000_000], whole):
        connection = service.raw()
        connection.sendall(part)
        reset(connection)
    service.unhurt("tiny-vl")
