"""Requests that no client should send, and some that few do. Each is answered or refused at once,
and the engines never notice."""

import gzip
import json
from typing import Any

import pytest

from .service import HELLO, Service, answered, refused

BODY = json.dumps({"model": "tiny", "messages": HELLO, "max_tokens": 3}).encode()


def request(
    *headers: str,
    body: bytes = BODY,
    line: str = "POST /v1/chat/completions HTTP/1.1",
    length: bool = True,
    host: bool = True,
) -> bytes:
    lines = [line, *(["host: localhost"] if host else []), *headers]
    if length:
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def chunked(*parts: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    told = [b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts]
    return request(
        "transfer-encoding: chunked",
        body=b"".join(told) + b"0\r\n" + trailer + b"\r\n",
        length=False,
    )


def status(service: Service, sent: bytes) -> int:
    with service.raw() as connection, connection.makefile("rb") as answer:
        connection.sendall(sent)
        return int(answer.readline().split()[1])


ANSWERED = {
    "an old version": request(line="POST /v1/chat/completions HTTP/1.0"),
    "no host": request(line="POST /v1/chat/completions HTTP/1.0", host=False),
    "the whole address": request(line="POST http://localhost/v1/chat/completions HTTP/1.1"),
    "blank lines before": b"\r\n\r\n" + request(),
    "byte by byte": chunked(*[BODY[i : i + 1] for i in range(len(BODY))]),
    "extensions of chunks": chunked(BODY, extension=b";a=b;" + b"c" * 2000),
    "trailers": chunked(BODY, trailer=b"x-t: 1\r\n" * 50),
    "a plain coding": request("content-encoding: identity"),
    "another media type": request("content-type: text/plain"),
    "two thousand headers": request(*[f"x-{i}: 1" for i in range(2000)]),
    "a long header": request("x-a: " + "a" * 60_000),
    "a long query": request(line=f"POST /v1/chat/completions?{'a=b&' * 5000} HTTP/1.1"),
    "a strange key": request("authorization: Bearer " + "\xe9" * 100),
    "strange expectations": request("expect: 200-maybe"),
}
REFUSED = {
    "a compressed body": (request("content-encoding: gzip", body=gzip.compress(BODY)), 415),
    "a lie about compression": (request("content-encoding: br"), 415),
    "no host": (request(host=False), 400),
    "two hosts": (request("host: evil.example"), 400),
    "a host with a user": (request("host: localhost@evil.example", host=False), 403),
    "length and chunks": (
        request("transfer-encoding: chunked", body=b"0\r\n\r\n"),
        400,
    ),
    "a coding that hides": (request("transfer-encoding: xchunked", length=False), 400),
    "two lengths": (request("content-length: 5"), 400),
    "a length with a sign": (request(f"content-length: +{len(BODY)}", length=False), 400),
    "a length without end": (request(f"content-length: {'9' * 20}", length=False), 400),
    "a chunk of less than nothing": (
        request("transfer-encoding: chunked", body=b"-5\r\nhello\r\n0\r\n\r\n", length=False),
        400,
    ),
    "a chunk without end": (
        request("transfer-encoding: chunked", body=b"F" * 17 + b"\r\nhello", length=False),
        400,
    ),
    "a null in a header": (request("x-a: a\0b"), 400),
    "a header that goes on": (request("x-a: 1\r\n  and on"), 400),
    "a blank before the colon": (request("x-a : 1"), 400),
    "bare line ends": (request().replace(b"\r\n", b"\n", 3), 400),
    "the head too long": (request("x-a: " + "a" * 70_000), 431),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 400),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + b"\1" * 190, 400),
    "WebSocket": (
        request("connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13",
                "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", body=b"",
                line="GET /v1/chat/completions HTTP/1.1"),
        405,
    ),
    "a tunnel": (request(body=b"", line="CONNECT /v1/chat/completions HTTP/1.1"), 405),
    "a path upwards": (request(body=b"", line="GET /v1/models/..%2f..%2fetc HTTP/1.1"), 404),
    "a path of no text": (request(body=b"", line="GET /v1/models/%ff%fe HTTP/1.1"), 404),
    "a path twice": (request(line="POST //v1//chat/completions HTTP/1.1"), 404),
    "a path too long": (request(line=f"POST /v1/{'a' * 60_000} HTTP/1.1"), 404),
    "a mark of byte order": (request(body=b"\xef\xbb\xbf" + BODY), 400),
    "UTF-16": (request(body=BODY.decode().encode("utf-16")), 400),
    "two documents": (request(body=BODY + b"\n" + BODY), 400),
    "a key twice": (request(body=b'{"model": "tiny", "model": "x"}'), 400),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERED)
def test_an_unusual_request_is_answered(service: Service, name: str) -> None:
    assert status(service, ANSWERED[name]) == 200
    service.unhurt()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_proper_request_is_refused(service: Service, name: str) -> None:
    sent, wanted = REFUSED[name]
    assert status(service, sent) == wanted
    service.unhurt()


WORDS = {
    "marks of our own": "\ufdd0x\ufdd1 \ufdd22039\ufdd2 \ufdd2<|im_end|>\ufdd2",
    "a null": "a\0b",
    "accents": "e" + "\u0301" * 500,
    "families": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 200,
    "backwards": "\u202e" * 300,
    "nothing but control tokens": "<|im_start|>" * 200,
    "half a control token": "<|im_",
    "the last character": "\U0010ffff" * 100,
    "blanks": " " * 2000,
    "a picture's place": "<|vision_start|><|image_pad|><|vision_end|>",
}


# The model that sees has a short context.
BOTH = [("tiny", name) for name in WORDS]
BOTH += [("tiny-vl", name) for name, words in WORDS.items() if len(words) <= 250]


@pytest.mark.parametrize(("model", "name"), BOTH)
def test_odd_words_are_words(service: Service, model: str, name: str) -> None:
    answered(service.chat(model, [{"role": "user", "content": WORDS[name]}]))
    service.unhurt(model)


RULES = "\n".join(f'r{i}: "a" r{i + 1}' for i in range(6000))
DEFS: dict[str, Any] = {
    str(i): {"type": "object", "properties": {"a": {"$ref": f"#/$defs/{i + 1}"}}}
    for i in range(1200)
}
DEADLY: dict[str, Any] = {
    "rules without end": {"type": "grammar", "grammar": f'start: r0\n{RULES}\nr6000: "b"'},
    "letters that may be": {"type": "regex", "regex": "a?" * 9000 + "a" * 9000},
    "references without end": {
        "type": "json_schema",
        "json_schema": {
            "name": "x", "schema": {"$ref": "#/$defs/0", "$defs": DEFS | {"1200": {}}},
        },
    },
    "a factor": {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {"type": "integer", "multipleOf": 999_983}},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", DEADLY)
def test_what_would_end_an_engine_does_not_even_slow_its_streams(
    service: Service, name: str
) -> None:
    """A neighbour's stream goes on while the format is tried out in a process of its own."""
    stream = {"model": "tiny", "messages": HELLO, "max_tokens": 400, "stream": True,
              "logit_bias": {"2039": -100}}  # fmt: skip
    with service.http.stream("POST", "/v1/chat/completions", json=stream) as neighbour:
        lines = neighbour.iter_lines()
        next(lines)
        error = refused(service.chat(response_format=DEADLY[name]), "response_format")
        assert error["code"] == "grammar_too_complex"
        assert [line for line in lines if line][-1] == "data: [DONE]"
    service.unhurt()
