"""The agent: conversations with the models of this machine, and tools over its documents."""

import asyncio
import contextlib
import importlib
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mlxd.desk.answers import Refused, answer, read_json
from mlxd.settings import AgentSettings

from .sessions import Session, Sessions

if TYPE_CHECKING:
    from .turning import Turning


class NewSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str = ""


class Rename(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str


class Branch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    message_id: str


class Agent:
    def __init__(
        self,
        gateway: str,
        token: str | None,
        folder: Path,
        settings: AgentSettings,
        busy: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._given = gateway, token, settings
        self._busy = busy
        self._sessions = Sessions(folder / "sessions.db")
        self._turning: asyncio.Future[Turning] | None = None

    async def __aenter__(self) -> "Agent":
        await self._sessions.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        if (turning := self._made()) is not None:
            await turning.aclose()
        await self._sessions.__aexit__()

    def routes(self) -> list[Route]:
        return [
            Route("/chat/agent-stream", self.turn, methods=["POST"]),
            # Where the npm client looks for an answer that is being made (`resume: true`).
            Route("/chat/agent-stream/{id:path}/stream", self.along, methods=["GET"]),
            Route("/chat/agent-stream/{id:path}/stream", self.stop, methods=["DELETE"]),
            Route("/sessions", self.listing, methods=["GET"]),
            Route("/sessions", self.create, methods=["POST"]),
            Route("/sessions/{id}", self.show, methods=["GET"]),
            Route("/sessions/{id}", self.rename, methods=["PATCH"]),
            Route("/sessions/{id}", self.delete, methods=["DELETE"]),
            Route("/sessions/{id}/branch", self.branch, methods=["POST"]),
        ]

    async def turn(self, request: Request) -> Response:
        turning = await asyncio.shield(self._prepared())
        return await turning.answer(request)

    async def along(self, request: Request) -> Response:
        turning = self._made()
        found = turning.along(request.path_params["id"]) if turning else None
        return found or Response(status_code=204)

    async def stop(self, request: Request) -> Response:
        id, turning = request.path_params["id"], self._made()
        question = request.query_params.get("question")
        return answer({"id": id, "stopped": bool(turning and turning.going.stop(id, question))})

    def _answering(self) -> set[str]:
        turning = self._made()
        return turning.going.sessions() if turning else set()

    def _prepared(self) -> "asyncio.Future[Turning]":
        """Seconds and 100 MB of libraries, which documents alone don't need. In a thread that an
        end of the process does not wait for."""
        if self._turning is None:
            loop = asyncio.get_running_loop()
            self._turning = made = loop.create_future()
            threading.Thread(target=self._prepare, args=(loop, made), daemon=True).start()
        return self._turning

    def _made(self) -> "Turning | None":
        made = self._turning
        return made.result() if made and made.done() and made.exception() is None else None

    def _prepare(self, loop: asyncio.AbstractEventLoop, made: "asyncio.Future[Turning]") -> None:
        try:
            module = importlib.import_module(f"{__name__}.turning")
            give = partial(
                made.set_result, module.Turning(*self._given, self._sessions, self._busy)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, each turn is told
            give = partial(made.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(give)

    # --- sessions ------------------------------------------------------------------------------

    async def listing(self, request: Request) -> Response:
        # Who looks at conversations goes on with one, and shall not wait for libraries then.
        self._prepared()
        found = await self._sessions.find(request.query_params.get("q", ""))
        going = self._answering()
        told = [msgspec.structs.replace(one, answering=one.id in going) for one in found]
        return answer({"sessions": told})

    async def create(self, request: Request) -> Response:
        wanted = await read_json(request, NewSession)
        return answer(await self._sessions.create(wanted.title), 201)

    async def show(self, request: Request) -> Response:
        # Asked before and after: an answer that is not in it yet, or not any more, is told of.
        id, going = request.path_params["id"], self._answering()
        found = _there(await self._sessions.get(id), request)
        answering = id in going | self._answering()
        return answer(msgspec.structs.replace(found, answering=answering))

    async def rename(self, request: Request) -> Response:
        wanted = await read_json(request, Rename)
        made = await self._sessions.rename(request.path_params["id"], wanted.title)
        return answer(_there(made, request))

    async def delete(self, request: Request) -> Response:
        id = request.path_params["id"]
        if not await self._sessions.delete(id):
            raise _unknown(id)
        if (turning := self._made()) is not None:
            turning.going.deleted(id)
        return answer({"id": id, "deleted": True})

    async def branch(self, request: Request) -> Response:
        id = request.path_params["id"]
        wanted = await read_json(request, Branch)
        made = await self._sessions.branch(id, wanted.message_id)
        if made is None:
            _there(await self._sessions.get(id), request)
            told = f"There is no message {wanted.message_id!r} in this conversation."
            raise Refused(404, told, param="message_id", code="message_not_found")
        return answer(made, 201)


def _there(found: Session | None, request: Request) -> Session:
    if found is None:
        raise _unknown(request.path_params["id"])
    return found


def _unknown(id: str) -> Refused:
    return Refused(404, f"There is no conversation {id!r}.", param="id", code="session_not_found")
