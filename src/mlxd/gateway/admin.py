"""What an application assigns and an administrator asks for."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from starlette.routing import BaseRoute, Route

from mlxd.settings import ServerSettings

from .asgi import Receive, Scope, Send, send_json
from .dialects.openai.decode import decode
from .endpoint import Endpoint
from .errors import bad

CONTROLS = ("start", "stop", "restart")


class Administration(Protocol):
    """What the supervisor offers beside answers. Results are anything that msgspec encodes."""

    def certificates(self) -> Any: ...
    def first_tokens(self) -> Any: ...
    def assignments(self) -> Any: ...
    def assigned(self, capability: str) -> Any: ...
    async def assign(self, capability: str, name: str | None) -> Any: ...
    async def confirm(self, name: str, capability: str) -> Any: ...
    def control(self, name: str, what: str) -> Any: ...


# Reads the settings again and takes them over; its errors are written for who asked.
Reload = Callable[[], Any]


class Assignment(msgspec.Struct, frozen=True):
    """`model_id` null clears the assignment."""

    model_id: str | None


class _Assigned(Endpoint):
    def __init__(self, service: Administration, **limits: Any) -> None:
        super().__init__(**limits)
        self._service = service

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        capability = scope["path_params"]["capability"]
        if scope["method"] != "POST":
            made = self._service.assigned(capability)
        else:
            wanted, unknown = decode(Assignment, await self.read_json(scope, receive))
            if unknown:
                raise bad(f"{unknown[0]} is no field here; model_id is.", unknown[0])
            made = await self._service.assign(capability, wanted.model_id)
        await send_json(send, msgspec.json.encode(made))


class _Capabilities(_Assigned):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, msgspec.json.encode(self._service.assignments()))


class _Certificates(_Assigned):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, msgspec.json.encode(self._service.certificates()))


class _Confirm(_Assigned):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        params = scope["path_params"]
        made = await self._service.confirm(params["model_id"], params["capability"])
        await send_json(send, msgspec.json.encode(made))


class _Control(_Assigned):
    def __init__(self, service: Administration, what: str, **limits: Any) -> None:
        super().__init__(service, **limits)
        self._what = what

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        made = self._service.control(scope["path_params"]["name"], self._what)
        await send_json(send, msgspec.json.encode(made))


class _Reload(Endpoint):
    def __init__(self, again: Reload, **limits: Any) -> None:
        super().__init__(**limits)
        self._again = again

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            made = self._again()
        except (LookupError, ValueError) as error:
            raise bad(f"{error} Nothing was changed.", code="invalid_settings") from error
        await send_json(send, msgspec.json.encode(made))


def routes(
    service: Administration, server: ServerSettings, again: Reload | None = None
) -> list[BaseRoute]:
    limits = {"body_limit": server.body_limit, "body_timeout": server.body_timeout}

    def route(path: str, kind: type[_Assigned], *methods: str) -> Route:
        return Route(path, kind(service, **limits), methods=methods)

    return [
        *([Route("/admin/reload", _Reload(again, **limits), methods=["POST"])] if again else []),
        route("/models/capabilities", _Capabilities, "GET"),
        route("/models/certificates", _Certificates, "GET"),
        route("/models/global_capability/{capability}", _Assigned, "GET", "POST"),
        route("/models/confirm_capability/{model_id:path}/{capability}", _Confirm, "POST"),
        *(
            Route(
                f"/engines/{{name:path}}/{what}",
                _Control(service, what, **limits),
                methods=["POST"],
            )
            for what in CONTROLS
        ),
    ]
