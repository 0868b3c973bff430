"""The rooms of the desk, side by side in one application. A room brings routes, and is entered
before the desk answers and left when it ends."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .agent import Agent
from .answers import Refused, refusal
from .config import Config
from .documents.room import Documents
from .models import Models

Say = Callable[..., None]


class Work:
    """There is some as long as there is in one of the rooms."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._documents = self._agent = False

    def of_documents(self, *, busy: bool, **more: Any) -> None:
        self._documents = busy
        self._say(busy=busy or self._agent, **more)

    def of_agent(self, busy: bool) -> None:
        if busy != self._agent:
            self._agent = busy
            self._say(busy=busy or self._documents)


class Desk:
    """`say` tells the gateway whether there is work, so that it does not end a busy desk."""

    def __init__(self, config: Config, say: Say) -> None:
        self.models = Models(config.gateway, config.token)
        work = Work(say)
        self.documents = Documents(config, self.models, work.of_documents)
        self.agent = Agent(
            config.gateway,
            config.token,
            config.data_dir / "agent",
            config.agent,
            work.of_agent,
        )
        self._rooms = AsyncExitStack()
        self.app = Starlette(
            routes=[*self.documents.routes(), *self.agent.routes()],
            exception_handlers={
                Refused: _refused,
                HTTPException: _http_error,
                Exception: _defect,
            },
        )
        self.app.router.redirect_slashes = False

    def on_stop(self, stopping: Callable[[], bool]) -> None:
        """How streams learn that they should end."""
        self.documents.stopping = stopping

    async def __aenter__(self) -> "Desk":
        await self._rooms.enter_async_context(self.models)
        await self._rooms.enter_async_context(self.documents)
        await self._rooms.enter_async_context(self.agent)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._rooms.aclose()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    told = {
        404: f"There is nothing at {path}.",
        405: f"{path} does not take {method}, but {(error.headers or {}).get('Allow')}.",
    }
    return refusal(Refused(error.status_code, told.get(error.status_code, error.detail)))


async def _defect(request: Request, error: Exception) -> Response:
    told = f"A defect in the desk: {type(error).__name__}: {error}"
    return refusal(Refused(500, told, code="internal_error"))
