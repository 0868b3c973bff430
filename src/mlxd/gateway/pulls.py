"""Downloads over HTTP: begun once however often they are asked for, followed as events, ended."""

from http import HTTPStatus
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from mlxd.catalog import NameUnknown
from mlxd.catalog.pull.pulls import Pulled, Pulls
from mlxd.settings import ServerSettings

from . import sse
from .asgi import Receive, Scope, Send, UntilDisconnect, send_json
from .dialects.openai.decode import decode
from .endpoint import Endpoint
from .errors import ApiError, bad


class PullRequest(msgspec.Struct, frozen=True):
    """`stream`: answer with events until it has ended. Without, it goes on after the answer."""

    model: str
    stream: bool = False


class _Pulls(Endpoint):
    def __init__(self, pulls: Pulls, *, keep_alive: float, **limits: Any) -> None:
        super().__init__(**limits)
        self._pulls = pulls
        self._keep_alive = keep_alive

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await send_json(send, msgspec.json.encode([one.event for one in self._pulls.all()]))
            return
        wanted, unknown = decode(PullRequest, await self.read_json(scope, receive))
        if unknown:
            raise bad(f"{unknown[0]} is no field here; model and stream are.", unknown[0])
        try:
            pulled = self._pulls.begin(wanted.model)
        except NameUnknown as error:
            raise _unknown(error) from error
        if wanted.stream or _wants_events(scope):
            await self.stream(pulled, scope, receive, send)
        else:
            body = msgspec.json.encode(pulled.event)
            await send_json(send, body, status=HTTPStatus.ACCEPTED)

    async def stream(self, pulled: Pulled, scope: Scope, receive: Receive, send: Send) -> None:
        """A reader that leaves ends nothing: others may follow it, and DELETE is there for that."""
        abort = scope.get("extensions", {}).get("mlxd.abort")
        stream = sse.EventStream(send, [], self._keep_alive, lambda: pulled.event.state, abort)
        async with UntilDisconnect(receive):
            try:
                async for event in pulled.watch():
                    await stream.write(sse.frames([event]))
                await stream.done()
            finally:
                stream.abandon()


class _Pull(_Pulls):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["model_id"]
        try:
            pulled = self._pulls.find(name)
        except NameUnknown as error:
            raise _unknown(error) from error
        if pulled is None:
            raise ApiError(
                HTTPStatus.NOT_FOUND,
                f"No download of {name} was begun here. Begin it: POST /models/pull",
                param="model_id",
                code="download_not_found",
            )
        if scope["method"] == "DELETE":
            await pulled.end()
        elif _wants_events(scope):
            await self.stream(pulled, scope, receive, send)
            return
        await send_json(send, msgspec.json.encode(pulled.event))


def _unknown(error: NameUnknown) -> ApiError:
    told = f"{error.told} Name it as ORG/NAME on the hub, or by an alias of the catalogue."
    return ApiError(HTTPStatus.NOT_FOUND, told, param="model", code="model_not_found")


def _wants_events(scope: Scope) -> bool:
    headers = scope["headers"]
    return any(name == b"accept" and b"text/event-stream" in value for name, value in headers)


def routes(pulls: Pulls, server: ServerSettings) -> list[BaseRoute]:
    limits: dict[str, Any] = {
        "body_limit": server.body_limit,
        "body_timeout": server.body_timeout,
        "keep_alive": server.keep_alive,
    }
    return [
        Route("/models/pull", _Pulls(pulls, **limits), methods=["GET", "POST"]),
        Route("/models/pull/{model_id:path}", _Pull(pulls, **limits), methods=["GET", "DELETE"]),
    ]
