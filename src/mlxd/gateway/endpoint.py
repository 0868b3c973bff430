"""What every endpoint does alike: read JSON within the limits, and turn exceptions into errors."""

from typing import Any

from mlxd.supervisor.contract import Elsewhere, Service

from .asgi import ClientLeft, Receive, Scope, Send, send_error
from .errors import from_exception
from .guards.body import parse_json, read_body


class Endpoint:
    """An ASGI application for one route."""

    def __init__(self, *, body_limit: int, body_timeout: float) -> None:
        self._body_limit = body_limit
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.handle(scope, receive, send)
        except ClientLeft:
            return
        except Exception as error:  # noqa: BLE001 - the one place where any becomes a response
            await send_error(send, receive, from_exception(error))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    def elsewhere(self, service: Service, body: Any) -> Elsewhere | None:
        """Where the model is served that a request names, if not here. Such a request goes there as
        it is: what that server takes may be more than this one knows."""
        name = body.get("model") if isinstance(body, dict) else None
        return service.elsewhere(name) if isinstance(name, str) else None

    async def read_json(self, scope: Scope, receive: Receive) -> Any:
        limit, seconds = self._body_limit, self._body_timeout
        return parse_json(await read_body(scope, receive, limit=limit, seconds=seconds))
