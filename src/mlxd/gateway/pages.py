"""The dashboard: built files of the package, at `/`."""

import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

BUILT = Path(__file__).parent.parent / "web"
START = "index.html"
# Nothing but this service's own files runs or is fetched, and no page elsewhere may frame it: what
# models and documents say is shown as text, and could do nothing if it were not.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    # Asked again each time, answered by 304: an upgrade shows at once.
    "cache-control": "no-cache",
}


def names() -> list[str]:
    if not BUILT.is_dir():
        return []
    files = (path for path in BUILT.rglob("*") if path.is_file() and path.suffix != ".py")
    return sorted(path.relative_to(BUILT).as_posix() for path in files)


def paths() -> set[str]:
    """What is served without a token: the page has to be there to ask for one."""
    return {"/", *(f"/{name}" for name in names())}


def routes() -> list[BaseRoute]:
    made: list[BaseRoute] = [Route(f"/{name}", _File(name).answer) for name in names()]
    if made:
        made.append(Route("/", _File(START).answer))
    return made


class _File:
    """Read once, when it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._body: bytes | None = None
        self._headers: dict[str, str] = {}

    async def answer(self, request: Request) -> Response:
        if self._body is None:
            self._body = (BUILT / self._name).read_bytes()
            kind = mimetypes.guess_type(self._name)[0] or "application/octet-stream"
            tag = hashlib.blake2b(self._body, digest_size=12).hexdigest()
            self._headers = {**HEADERS, "content-type": kind, "etag": f'"{tag}"'}
        if request.headers.get("if-none-match") == self._headers["etag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._body, headers=self._headers)
