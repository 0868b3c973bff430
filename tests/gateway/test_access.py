"""Who may ask, and from where."""

import asyncio

import pytest
from tests.ports import free_port

from mlxd.settings import ServerSettings

from .conftest import Gateway, serving
from .raw import Answer, Raw


async def ask(
    gateway: Gateway, *headers: str, path: str = "/v1/models", method: str = "GET"
) -> Answer:
    raw = await Raw.open(gateway.port)
    lines = "".join(f"{line}\r\n" for line in headers)
    await raw.send(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
    return await raw.answer()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:60315", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:60315", 200),
        ("127.1.2.3", 200),
        ("evil.example", 403),
        ("evil.example:60315", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("", 403),
        ("[", 403),
        ("0.0.0.0", 403),
    ],
)
async def test_a_local_address_answers_only_to_local_names(
    gateway: Gateway, host: str, status: int
) -> None:
    answer = await ask(gateway, f"host: {host}")
    assert answer.status == status
    if status == 403:
        assert "server.allowed_hosts" in answer.error["message"]


async def test_a_foreign_page_may_not_ask_unless_it_is_allowed(gateway: Gateway) -> None:
    host = f"host: localhost:{gateway.port}"
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        answer = await ask(gateway, host, f"origin: {origin}")
        assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")
        assert "access-control" not in answer.head
    same = await ask(gateway, host, f"origin: http://localhost:{gateway.port}")
    assert same.status == 200
    server = ServerSettings(allowed_origins=["https://app.example"], allowed_hosts=["box.lan"])
    async with serving(server=server) as open_one:
        origin = "origin: https://app.example"
        answer = await ask(open_one, "host: box.lan", origin)
        assert answer.status == 200
        assert "access-control-allow-origin: https://app.example" in answer.head
        refused = await ask(open_one, "host: box.lan", origin, path="/v1/models/x")
        assert refused.status == 404
        assert "access-control-allow-origin" in refused.head
        wish = "access-control-request-method: POST"
        more = "access-control-request-headers: authorization"
        preflight = await ask(open_one, "host: box.lan", origin, wish, more, method="OPTIONS")
        assert preflight.status == 204
        assert "access-control-allow-headers: authorization" in preflight.head


async def test_a_token_is_needed_when_one_is_set() -> None:
    async with serving(server=ServerSettings(token="s3cret-ü")) as gateway:
        for header in ("x: y", "authorization: Bearer wrong", "authorization: Basic s3cret"):
            answer = await ask(gateway, "host: localhost", header)
            assert (answer.status, answer.error["type"]) == (401, "authentication_error")
            assert "www-authenticate: Bearer" in answer.head
        token = "s3cret-ü".encode().decode("latin-1")
        raw = await Raw.open(gateway.port)
        head = (
            f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: bearer {token}\r\n\r\n"
        )
        await raw.send(head.encode("latin-1"))
        assert (await raw.answer()).status == 200
        for path in ("/health", "/ready"):
            assert (await ask(gateway, "host: localhost", path=path)).status == 200
        assert (await ask(gateway, "host: localhost", path="/status")).status == 401


async def test_the_second_address_serves_v1_alone() -> None:
    port = free_port()
    async with serving(server=ServerSettings(v1_port=port), port=port) as gateway:
        assert (await ask(gateway, "host: localhost")).status == 200
        answer = await ask(gateway, "host: localhost", path="/status")
        assert answer.status == 404
        assert "only /v1" in answer.error["message"]


async def test_many_clients_at_once(gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.chat(f"number {i}") for i in range(50)))
    texts = [answer.json()["choices"][0]["message"]["content"] for answer in answers]
    assert texts == [f"number {i}" for i in range(50)]
