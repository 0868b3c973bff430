"""Images from where the settings allow them, and from nowhere else."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.processes import PATIENCE_S

from mlxd.gateway.errors import ApiError
from mlxd.gateway.guards.fetch import fetch, is_public
from mlxd.gateway.guards.images import ImageLoader, decode_data_url
from mlxd.settings import ImageSettings

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100
DATA = "data:image/png;base64," + base64.b64encode(PNG).decode()
HERE = "messages[0].content[0].image_url.url"


async def load(url: str, **settings: object) -> bytes:
    loaded = await ImageLoader(ImageSettings(**settings)).load([(HERE, url)])  # type: ignore[arg-type]
    return loaded[HERE]


async def refused(url: str, **settings: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await load(url, **settings)
    assert caught.value.status == 400
    assert caught.value.param == HERE
    return caught.value


@pytest.mark.parametrize(
    "url",
    [DATA, DATA.replace("image/png", "IMAGE/JPEG"), DATA.replace(";base64", ";charset=x;base64")],
)
async def test_data_urls_are_always_taken(url: str) -> None:
    assert await load(url) == PNG


async def test_a_large_data_url_is_decoded_beside_the_loop() -> None:
    big = b"y" * 1_000_000
    assert await load("data:image/png;base64," + base64.b64encode(big).decode()) == big


@pytest.mark.parametrize(
    "url",
    [
        "data:,",
        "data:image/png;base64,",
        "data:image/png;base64,!!!!",
        "data:image/png;base64,AAA",
        "data:image/png;base64,AA AA",
        "data:image/png,plain",
        "data:text/html;base64,AAAA",
        "data:image/png;base64;AAAA",
        "data:image/" + "a;" * 20000,
        "x",
        "ftp://a/b.png",
        "javascript:alert(1)",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://example.com/a.png",
        "https://example.com/a.png",
    ],
    ids=lambda url: url[:30],
)
async def test_anything_else_is_refused_at_its_place(url: str) -> None:
    error = await refused(url)
    assert len(error.message) < 300


async def test_too_many_bytes_are_refused_before_decoding() -> None:
    with pytest.raises(ApiError, match="over the limit of 10 bytes"):
        decode_data_url(HERE, DATA, 10)


async def test_files_only_from_allowed_folders(tmp_path: Path) -> None:
    allowed, other = tmp_path / "allowed", tmp_path / "allowed-not"
    for folder in (allowed, other):
        folder.mkdir()
        (folder / "a b.png").write_bytes(PNG)
    (allowed / "out.png").symlink_to(other / "a b.png")
    (tmp_path / "in.png").symlink_to(allowed / "a b.png")
    os.mkfifo(allowed / "pipe.png")
    roots = [allowed]
    good = allowed.as_uri()
    assert await load(f"{good}/a%20b.png", allowed_roots=roots) == PNG
    assert await load(f"{tmp_path.as_uri()}/in.png", allowed_roots=roots) == PNG
    for url in (
        f"{good}/out.png",
        f"{good}/../allowed-not/a%20b.png",
        f"{good}/%2e%2e/allowed-not/a%20b.png",
        f"{other.as_uri()}/a%20b.png",
        "file://elsewhere" + str(allowed / "a%20b.png"),
        f"{good}/a%00b.png",
    ):
        assert (await refused(url, allowed_roots=roots)).code == "image_url_not_allowed"
    for name in ("pipe.png", "missing.png", ""):
        async with asyncio.timeout(PATIENCE_S):
            await refused(f"{good}/{name}", allowed_roots=roots)
    await refused(f"{good}/a%20b.png", allowed_roots=roots, byte_limit=50)


async def test_many_images_are_limited_in_number_and_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loader = ImageLoader(ImageSettings())
    with pytest.raises(ApiError, match="at most 64"):
        await loader.load([(f"place {i}", DATA) for i in range(65)])
    monkeypatch.setattr("mlxd.gateway.guards.images.MAX_TOTAL_BYTES", 150)
    with pytest.raises(ApiError, match="place 1: the images together"):
        await loader.load([(f"place {i}", DATA) for i in range(3)])


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("::127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


Handler = Callable[[str, str], bytes]


class Origin:
    """A web server of a few lines on loopback, which the tests call public."""

    def __init__(self) -> None:
        self.paths: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.hang = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            writer.close()  # it gave up before it had asked
            return
        path = head.split(" ")[1]
        host = next(line[6:] for line in head.lower().split("\r\n") if line.startswith("host: "))
        self.asked.append((path, host))
        if path == "/hang":
            await self.hang.wait()
        writer.write(self.paths.get(path, b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"))
        writer.close()

    def answer(self, path: str, body: bytes, kind: str = "image/png", extra: str = "") -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{extra}connection: close\r\n\r\n"
        self.paths[path] = head.encode() + body

    def redirect(self, path: str, to: str) -> None:
        head = f"HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
        self.paths[path] = head.encode()


@pytest.fixture
async def origin() -> AsyncIterator[tuple[Origin, int]]:
    made = Origin()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    yield made, server.sockets[0].getsockname()[1]
    made.hang.set()
    server.close()
    await server.wait_closed()


def resolver(*answers: list[str]) -> Callable[[str, int], Awaitable[list[str]]]:
    left = list(answers)

    async def resolving(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolving


async def get(url: str, *answers: list[str], seconds: float = PATIENCE_S) -> bytes:
    return await fetch(
        HERE,
        url,
        seconds=seconds,
        limit=1000,
        resolving=resolver(*(answers or (["127.0.0.1"],))),
        public=lambda address: address == "127.0.0.1",
    )


async def test_the_checked_address_is_the_one_connected_to(origin: tuple[Origin, int]) -> None:
    web, port = origin
    web.answer("/a.png", PNG)
    # A second answer of the resolver, which would point inwards, is never asked for.
    assert await get(f"http://pictures.example:{port}/a.png", ["127.0.0.1"], ["10.0.0.1"]) == PNG
    assert web.asked == [("/a.png", f"pictures.example:{port}")]


async def test_every_address_and_every_redirect_is_checked(origin: tuple[Origin, int]) -> None:
    web, port = origin
    base = f"http://pictures.example:{port}"
    web.answer("/a.png", PNG)
    web.redirect("/1", "/a.png")
    for i in range(2, 6):
        web.redirect(f"/{i}", f"{base}/{i - 1}")
    web.redirect("/inwards", "http://inside.example/a.png")
    web.redirect("/file", "file:///etc/passwd")
    assert await get(f"{base}/3") == PNG
    for url, answers, told in [
        (f"{base}/4", (), "more than 3 redirects"),
        (f"{base}/inwards", (["127.0.0.1"], ["10.0.0.1"]), "not a public address"),
        (f"{base}/file", (), "no http"),
        (f"{base}/a.png", (["127.0.0.1", "10.0.0.1"],), "not a public address"),
        (f"{base}/a.png", ([],), "not a public address"),
        (f"{base}/missing", (), "answered 404"),
    ]:
        with pytest.raises(ApiError, match=told):
            await get(url, *answers)


async def test_size_time_and_type_are_limited(origin: tuple[Origin, int]) -> None:
    web, port = origin
    base = f"http://pictures.example:{port}"
    web.answer("/big", b"x" * 5000)
    web.answer("/page", b"<html>", "text/html; charset=utf-8")
    web.answer("/empty", b"")
    for path, seconds, told in [
        ("/big", PATIENCE_S, "over the limit"),
        ("/page", PATIENCE_S, "not an image"),
        ("/empty", PATIENCE_S, "empty"),
        ("/hang", 0.1, "did not come within"),
    ]:
        with pytest.raises(ApiError, match=told):
            await get(base + path, seconds=seconds)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a",
        "http://localhost/a",
        "http://[::1]/a",
        "http://[::ffff:127.0.0.1]/a",
        "http://2130706433/a",
        "http://0x7f.1/a",
        "http://169.254.169.254/latest/meta-data",
        "http://user:pass@127.0.0.1/a",
        "http://",
        "http://a b/",
        "http://\u0000/",
    ],
)
async def test_inward_urls_are_refused_with_the_real_resolver(url: str) -> None:
    await refused(url, allow_http=True)
