"""Who may ask: the second address, Host, Origin and token are checked before any route is."""

import hmac
import ipaddress
from urllib.parse import urlsplit

from mlxd.gateway.asgi import App, Headers, Message, Receive, Scope, Send, send_error
from mlxd.gateway.errors import ApiError
from mlxd.gateway.pages import paths as page_paths
from mlxd.settings import ServerSettings

# Load balancers and supervisors ask these without a token; they say nothing about anyone.
_OPEN_PATHS = {"/health", "/ready"}
EXPOSED = b"x-request-id, x-mlxd-ignored-parameters, retry-after"
_PREFLIGHT_SECONDS = b"600"
_ONCE = {b"host", b"origin", b"authorization", b"content-type", b"transfer-encoding"}


class Access:
    def __init__(self, app: App, server: ServerSettings) -> None:
        self._app = app
        self._token = None if server.token is None else server.token.encode()
        self._hosts = {host.lower() for host in (*server.allowed_hosts, server.host)}
        self._origins = {origin.lower().rstrip("/") for origin in server.allowed_origins}
        self._v1_port = server.v1_port
        self._open_paths = _OPEN_PATHS | page_paths()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        cors: Headers = []
        try:
            _check_head(scope)
            self._check_address(scope)
            self._check_host(scope, headers.get(b"host"))
            if b"origin" in headers:
                cors = self._check_origin(headers[b"origin"], headers.get(b"host", ""))
                if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                    await _preflight(send, cors, headers)
                    return
            self._check_token(scope, headers.get(b"authorization"))
        except ApiError as error:
            await send_error(send, receive, error, cors)
            return
        await self._app(scope, receive, _with_headers(send, cors) if cors else send)

    def _check_address(self, scope: Scope) -> None:
        if self._v1_port and scope["server"] and scope["server"][1] == self._v1_port:
            path = scope["path"]
            if path != "/v1" and not path.startswith("/v1/"):
                told = f"This address serves only /v1; {path} is on the main one."
                raise ApiError(404, told, code="not_found")

    def _check_host(self, scope: Scope, host: str | None) -> None:
        """A page in a browser can point its own domain at this machine; its requests then carry
        that domain. Nothing but a local name is right on a local address."""
        if host is None or not _is_loopback(scope["server"][0] if scope["server"] else ""):
            return
        name = _host_name(host)
        if name in self._hosts or name == "localhost" or _is_loopback(name):
            return
        told = f"The Host {host!r} is not allowed here; add it to the setting server.allowed_hosts."
        raise ApiError(403, told, code="host_not_allowed")

    def _check_origin(self, origin: str, host: str) -> Headers:
        """What lets the page read the answer; nothing for the page that came from here."""
        plain = origin.lower().rstrip("/")
        if plain in self._origins or "*" in self._origins:
            return [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-expose-headers", EXPOSED),
                (b"vary", b"origin"),
            ]
        if host and plain.partition("://")[2] == host.lower():
            return []
        told = f"The Origin {origin!r} is not allowed here; add it to server.allowed_origins."
        raise ApiError(403, told, code="origin_not_allowed")

    def _check_token(self, scope: Scope, authorization: str | None) -> None:
        if self._token is None or scope["path"] in self._open_paths:
            return
        kind, _, given = (authorization or "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("latin-1"), self._token
        ):
            return
        what = "The token is wrong" if authorization else "A token is needed"
        raise ApiError(
            401,
            f"{what}: send Authorization: Bearer with the value of the setting server.token.",
            code="invalid_api_key",
            headers=[(b"www-authenticate", b"Bearer")],
        )


def _check_head(scope: Scope) -> None:
    """What two readers of one head could understand differently."""
    seen: set[bytes] = set()
    for name, value in scope["headers"]:
        if name in _ONCE:
            if name in seen:
                raise _unclear(f"The header {name.decode()} is there twice; send it once.")
            seen.add(name)
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            coding = value.decode("latin-1")[:40]
            raise _unclear(f"The header transfer-encoding is {coding!r}; only 'chunked' is read.")
    if b"host" not in seen and scope["http_version"] == "1.1":
        raise _unclear("The header host is missing; HTTP/1.1 demands it.")


def _unclear(told: str) -> ApiError:
    return ApiError(400, told, code="invalid_http", close=True)


def _host_name(host: str) -> str:
    try:
        return (urlsplit("//" + host).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def _preflight(send: Send, cors: Headers, asked: dict[bytes, str]) -> None:
    wanted = asked.get(b"access-control-request-headers", "").encode("latin-1")
    headers = [
        *cors,
        (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE, OPTIONS"),
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _with_headers(send: Send, headers: Headers) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return sending
