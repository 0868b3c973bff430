"""No body, head or connection gets a 500, a hang, or past its limit; and afterwards all is well."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.processes import PATIENCE_S

from mlxd.gateway.errors import ApiError
from mlxd.gateway.guards.body import MAX_DEPTH, MAX_VALUES, MOST_TO_NAME, parse_json
from mlxd.gateway.protocol import MAX_PIPELINED, PORTION_BYTES, Protocol
from mlxd.settings import ServerSettings

from .conftest import Gateway, serving
from .raw import Raw

LIMIT = 2 * 1024 * 1024


@pytest.fixture(scope="module")
async def strict(anyio_backend: str) -> AsyncIterator[Gateway]:
    async with serving(server=ServerSettings(body_limit=LIMIT)) as made:
        yield made


@pytest.fixture(scope="module")
async def hasty(anyio_backend: str) -> AsyncIterator[Gateway]:
    """Little time, so that tests of slow clients need not wait; enough for those that are not."""
    server = ServerSettings(body_timeout=1.0, header_timeout=1.0)
    async with serving(server=server) as made:
        yield made


def with_prompt(text: bytes) -> bytes:
    return b'{"model":"fake","messages":[{"role":"user","content":' + text + b"}]}"


HOSTILE = {
    "empty": b"",
    "not json": b"hello",
    "half": b'{"model":"fake","messages":[',
    "nul": b"\x00",
    "byte order mark": "\ufeff{}".encode(),
    "utf-16": '{"model":"fake"}'.encode("utf-16"),
    "list": b"[]",
    "string": b'"x"',
    "number": b"5",
    "null": b"null",
    "nan": with_prompt(b"NaN"),
    "infinity": b'{"model":"fake","messages":[],"temperature":-Infinity}',
    "1e999": b'{"model":"fake","messages":[],"temperature":1e999}',
    "invalid utf-8": with_prompt(b'"\xff\xfe"'),
    "overlong utf-8": with_prompt(b'"\xc0\xaf"'),
    "lone surrogate": with_prompt(b'"\\ud800"'),
    "lone surrogate key": b'{"\\udfff":1}',
    "control character": with_prompt(b'"a\nb"'),
    "bad escape": with_prompt(b'"\\x"'),
    "duplicate": b'{"model":"fake","model":"fake","messages":[]}',
    "duplicate below": with_prompt(b'[{"type":"text","type":"text","text":""}]'),
    "65 bits": b'{"model":"fake","messages":[{"role":"user"}],"seed":18446744073709551616}',
    "-65 bits": b'{"model":"fake","messages":[{"role":"user"}],"seed":-9223372036854775809}',
    "many digits": b'{"seed":' + b"9" * 100_000 + b"}",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep metadata": b'{"metadata":' + b"[" * 200 + b"]" * 200 + b"}",
    "many values": b"[" + b"1," * 1_040_000 + b"1]",
    "many objects": b"[" + b"{}," * 600_000 + b"{}]",
    "trailing": b"{} {}",
    "prompt of a million ids": b'{"model":"fake","prompt":[' + b"1," * 1_000_000 + b'"x"]}',
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_body_is_a_400(strict: Gateway, name: str) -> None:
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
        answer = await strict.client.post(path, content=HOSTILE[name])
        error = answer.json()["error"]
        assert answer.status_code == 400, error
        assert len(error["message"]) < 500
        assert error["type"] == "invalid_request_error"
    await strict.still_works()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (with_prompt(b"NaN"), "messages[0].content"),
        (b'{"seed":18446744073709551616}', "seed"),
        (b'{"a":{"b":[1,[2,{"c":1e999}]]}}', "a.b[1][1].c"),
        (b'{"stop":["a","\\ud800"]}', "stop[1]"),
        (b'{"a":{"\\ud800":1}}', "a"),
        (b'{"\\ud800":{"b":NaN}}', "?.b"),
        (b'{"\\ud800":1}', None),
        (b"NaN", None),
        (b'{"a":NaN,', None),
        (b'{"a":[' + b"1," * MOST_TO_NAME + b"NaN]}", None),
        (b'{"' + b"k" * 1000 + b'":NaN}', "k" * 200),
    ],
    ids=lambda x: str(x)[:40],
)
def test_what_no_later_step_could_carry_is_named(body: bytes, place: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        parse_json(body)
    assert (caught.value.status, caught.value.param) == (400, place)
    assert caught.value.body()


async def test_64_bit_integers_and_pairs_of_surrogates_are_carried(gateway: Gateway) -> None:
    body = with_prompt(b'"\\ud83d\\ude00 ok"')[:-1] + b',"seed":18446744073709551615}'
    answer = await gateway.client.post("/v1/chat/completions", content=body)
    assert answer.json()["choices"][0]["message"]["content"] == "\U0001f600 ok"
    assert gateway.service.submitted[-1].sampling.seed == 2**64 - 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
)


@settings(max_examples=60, deadline=None)
@given(json_values)
def test_what_json_says_is_what_was_meant(value: object) -> None:
    raw = json.dumps(value).encode("utf-8", "surrogatepass")
    with contextlib.suppress(ApiError):
        assert parse_json(raw) == value


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_a_400(raw: bytes) -> None:
    with contextlib.suppress(ApiError):
        parse_json(raw)


def test_depth_is_limited_to_the_level() -> None:
    with pytest.raises(ApiError, match="nested deeper") as caught:
        parse_json(b'{"b": 1, "a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}")
    assert caught.value.param == "a"
    parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(ApiError, match="nested deeper"):
        parse_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert MAX_VALUES > 262_144  # the longest contexts as token ids


async def test_a_body_over_the_limit_is_refused_before_it_is_read(strict: Gateway) -> None:
    raw = await Raw.open(strict.port)
    await raw.post(b"", more="content-length: 100000000\r\n")
    answer = await raw.answer()
    assert (answer.status, answer.error["code"]) == (413, "body_too_large")
    assert "connection: close" in answer.head
    raw.close()
    await strict.still_works()


async def test_a_client_that_sends_a_huge_body_first_still_reads_the_refusal(
    strict: Gateway,
) -> None:
    answer = await strict.client.post("/v1/completions", content=b"x" * 100_000_000)
    assert answer.status_code == 413
    await strict.still_works()


async def test_chunks_count_too(strict: Gateway) -> None:
    raw = await Raw.open(strict.port)
    await raw.post(b"", more="transfer-encoding: chunked\r\n")
    block = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for _ in range(LIMIT // 65536 + 1):
        await raw.send(block)
    assert (await raw.answer()).status == 413
    raw.close()
    await strict.still_works()


async def test_a_slow_body_is_a_408(hasty: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxd.gateway.asgi.LINGER_SECONDS", 0.1)
    raw = await Raw.open(hasty.port)
    await raw.post(b'{"mod', more="content-length: 500\r\n")
    answer = await raw.answer()
    assert (answer.status, answer.error["code"]) == (408, "body_timeout")
    assert await raw.ended()
    raw.close()


async def test_a_dripping_body_gains_no_time(hasty: Gateway) -> None:
    raw = await Raw.open(hasty.port)
    await raw.post(b"", more="content-length: 500\r\n")

    async def drip() -> None:
        while True:
            await raw.send(b" ")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert (await raw.answer()).status == 408
    dripping.cancel()
    raw.close()


async def test_a_truncated_body_leaves_nothing_behind(strict: Gateway) -> None:
    before = len(strict.service.submitted)
    raw = await Raw.open(strict.port)
    await raw.post(with_prompt(b'"hi"'), more="content-length: 500\r\n")
    raw.abort()
    await strict.still_works()
    assert len(strict.service.submitted) == before + 1


async def test_a_slow_head_is_a_408(hasty: Gateway) -> None:
    raw = await Raw.open(hasty.port)
    await raw.send(b"POST /v1/completions HTTP/1.1\r\nhost: local")
    assert (await raw.answer()).status == 408
    silent = await Raw.open(hasty.port)
    assert await silent.ended()
    again = await Raw.open(hasty.port)
    await again.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert (await again.answer()).status == 200
    await again.send(b"GET /health HT")
    assert (await again.answer()).status == 408
    for one in (raw, silent, again):
        one.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"POST /v1/completions HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (b"POST /v1/completions HTTP/1.1\r\ncontent-length: -5\r\n\r\n", 400),
        (
            b"POST /v1/completions HTTP/1.1\r\ncontent-length: 5\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"GET /health HTTP/1.1\r\n" + b"x: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\n" + b"x: " + b"y" * 700_000, 431),
        (b"GET /" + b"x" * 700_000, 431),
    ],
    ids=lambda x: str(x)[:40],
)
async def test_a_broken_head_is_refused_in_the_envelope(
    gateway: Gateway, head: bytes, status: int
) -> None:
    raw = await Raw.open(gateway.port)
    await raw.send(head)
    answer = await raw.answer()
    assert answer.status == status
    assert answer.error["message"]
    assert await raw.ended()
    raw.close()


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    raw = await Raw.open(gateway.port)
    for text in (b'"one"', b'"two"'):
        await raw.post(with_prompt(text))
    for text in ("one", "two"):
        answer = json.loads((await raw.answer()).body)
        assert answer["choices"][0]["message"]["content"] == text
    raw.close()


async def test_a_pipeline_of_a_client_that_left_is_cancelled(gateway: Gateway) -> None:
    """Also what came before the last request of it."""
    raw = await Raw.open(gateway.port)
    gateway.service.cancel_seen.clear()
    for _ in range(3):
        await raw.post(with_prompt(b'"[[wait 60]] for ever"'))
    async with asyncio.timeout(PATIENCE_S), gateway.service.progressed:
        await gateway.service.progressed.wait_for(lambda: gateway.service.running > 0)
    before = len(gateway.service.submitted)
    raw.abort()
    async with asyncio.timeout(PATIENCE_S):
        await gateway.service.cancel_seen.wait()
    await gateway.still_works()
    assert len(gateway.service.submitted) == before + 1


async def test_a_long_pipeline_is_answered_in_order(gateway: Gateway) -> None:
    """More than may wait at once, small ones and one larger than the parser is given at a time."""
    said = [f"number {i} " + "x" * (40_000 if i == 60 else 1) for i in range(120)]
    raw = await Raw.open(gateway.port)
    before = len(gateway.service.submitted)
    for text in said:
        await raw.post(with_prompt(json.dumps(text).encode()))
    for text in said:
        answer = json.loads((await raw.answer()).body)
        assert answer["choices"][0]["message"]["content"] == text
    assert len(gateway.service.submitted) == before + len(said)
    raw.close()


async def test_a_pipeline_without_end_has_its_client_wait(gateway: Gateway) -> None:
    before = set(gateway.server.server_state.connections)
    raw = await Raw.open(gateway.port)
    await raw.post(with_prompt(b'"[[wait 600]] for ever"'))
    async with asyncio.timeout(PATIENCE_S), gateway.service.progressed:
        await gateway.service.progressed.wait_for(lambda: gateway.service.running == 1)
    [ours] = set(gateway.server.server_state.connections) - before
    assert isinstance(ours, Protocol)
    async with asyncio.timeout(PATIENCE_S):
        while ours.transport.is_reading():
            raw.writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" * 1000)
            await asyncio.sleep(0)
    assert len(ours.pipeline) <= MAX_PIPELINED + PORTION_BYTES // 40  # the others are not read yet
    ours.transport.abort()
    await gateway.still_works()


@pytest.mark.parametrize(
    "broken",
    [
        b"NONSENSE\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["head", "body"],
)
async def test_what_is_broken_is_refused_after_what_was_asked_before(
    gateway: Gateway, broken: bytes
) -> None:
    raw = await Raw.open(gateway.port)
    for text in (b'"[[wait 0.2]] one"', b'"two"'):
        await raw.post(with_prompt(text))
    await raw.send(broken)
    assert [(await raw.answer()).status for _ in range(3)] == [200, 200, 400]
    assert await raw.ended()
    await gateway.still_works()


async def test_a_body_that_breaks_while_it_is_read_is_refused_at_once(gateway: Gateway) -> None:
    raw = await Raw.open(gateway.port)
    await raw.post(b"", more="transfer-encoding: chunked\r\n")
    await raw.send(b'5\r\n{"a":\r\nzz\r\n')
    assert (await raw.answer()).status == 400
    assert await raw.ended()
    await gateway.still_works()


async def test_the_rest_of_a_body_that_was_answered_does_not_hold_the_connection(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxd.gateway.protocol.REST_SECONDS", 0.1)
    raw = await Raw.open(gateway.port)
    await raw.post(b"x", path="/nowhere", more="content-length: 500\r\n")
    assert (await raw.answer()).status == 404
    await raw.send(b"x")
    assert await raw.ended()


async def test_http_1_0_and_expect_continue(gateway: Gateway) -> None:
    raw = await Raw.open(gateway.port)
    await raw.send(b"GET /health HTTP/1.0\r\n\r\n")
    assert (await raw.answer()).status == 200
    assert await raw.ended()
    raw = await Raw.open(gateway.port)
    body = with_prompt(b'"hi"')
    await raw.post(b"", more=f"content-length: {len(body)}\r\nexpect: 100-continue\r\n")
    assert (await raw.answer()).status == 100
    await raw.send(body)
    assert (await raw.answer()).status == 200
    raw.close()
