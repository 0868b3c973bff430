"""Fetching an image from the network without becoming a way into the network.

The name is resolved once, every address must be public, and the connection goes to that address:
a second answer of the resolver changes nothing. Each redirect starts over.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

import httpx2

from mlxd.gateway.errors import bad, image_too_large

MAX_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
# IPv6 addresses that carry an IPv4 one, which then decides.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], Awaitable[list[str]]]


def is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if address in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
        if address.sixtofour is not None or address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def fetch(
    place: str,
    url: str,
    *,
    seconds: float,
    limit: int,
    resolving: Resolve = resolve,
    public: Callable[[str], bool] = is_public,
) -> bytes:
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(trust_env=False, timeout=seconds) as client,
        ):
            for _ in range(MAX_REDIRECTS + 1):
                got = await _hop(client, place, url, limit, resolving, public)
                if isinstance(got, bytes):
                    return got
                url = got
    except TimeoutError:
        told = f"{place}: the image did not come within {seconds:g} s."
        raise bad(told, place, "image_fetch_failed") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        told = f"{place}: the image can't be fetched: {type(error).__name__}: {error}"
        raise bad(told, place, "image_fetch_failed") from None
    raise bad(f"{place}: more than {MAX_REDIRECTS} redirects.", place, "image_fetch_failed")


async def _hop(
    client: httpx2.AsyncClient,
    place: str,
    url: str,
    limit: int,
    resolving: Resolve,
    public: Callable[[str], bool],
) -> bytes | str:
    """The image, or where to look instead."""
    asked = httpx2.URL(url)
    if asked.scheme not in _PORTS or not asked.host:
        raise bad(f"{place}: {url[:80]!r} is no http(s) URL.", place, "invalid_image_url")
    address = await _checked_address(place, asked, resolving, public)
    request = client.build_request(
        "GET",
        asked.copy_with(host=address, username=None, password=None),
        headers={
            "host": asked.netloc.decode("ascii"),
            "accept": "image/*",
            # Compressed, a few bytes could become very many.
            "accept-encoding": "identity",
        },
        extensions={"sni_hostname": asked.host},
    )
    response = await client.send(request, stream=True)
    try:
        if response.is_redirect:
            return str(asked.join(response.headers["location"]))
        _check_head(place, response)
        return await _read(place, response, limit)
    finally:
        await response.aclose()


async def _checked_address(
    place: str, asked: httpx2.URL, resolving: Resolve, public: Callable[[str], bool]
) -> str:
    try:
        addresses = await resolving(asked.host, asked.port or _PORTS[asked.scheme])
    except (OSError, UnicodeError) as error:
        told = f"{place}: {asked.host} can't be resolved: {error}."
        raise bad(told, place, "image_fetch_failed") from None
    if not addresses or not all(public(address) for address in addresses):
        told = f"{place}: {asked.host} is not a public address, so nothing is fetched from it."
        raise bad(told, place, "image_url_not_allowed")
    return addresses[0]


def _check_head(place: str, response: httpx2.Response) -> None:
    if not response.is_success:
        told = f"{place}: the image's server answered {response.status_code}."
        raise bad(told, place, "image_fetch_failed")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and not kind.startswith("image/") and kind != "application/octet-stream":
        raise bad(f"{place}: this is {kind[:60]!r}, not an image.", place, "invalid_image")


async def _read(place: str, response: httpx2.Response, limit: int) -> bytes:
    made = bytearray()
    async for part in response.aiter_raw():
        made += part
        if len(made) > limit:
            raise image_too_large(place, limit)
    if not made:
        raise bad(f"{place}: the image is empty.", place, "invalid_image")
    return bytes(made)
