"""A client's turn: taken in, answered as a stream, and kept."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from pydantic import ValidationError
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from pydantic_ai.ui.vercel_ai.request_types import RequestData, UIMessage
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from mlxd.desk.answers import Refused
from mlxd.settings import AgentSettings

from .building import Answer, whole
from .foreign import ForeignTools
from .going import Chunks, Going, Turn
from .sessions import Sessions
from .stream import HEADERS, SDK_VERSION, stream
from .turn import Sampling, Turns


class _Asked(StreamingResponse):
    """What a turn says, to who asked for it. `resumable`: the turn goes on when that one leaves."""

    def __init__(self, turn: Turn, resumable: bool) -> None:
        super().__init__(turn.lines(), headers=HEADERS)
        self._turn = turn
        self._resumable = resumable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._resumable:
                self._turn.left()


class Turning:
    def __init__(
        self,
        gateway: str,
        token: str | None,
        settings: AgentSettings,
        sessions: Sessions,
        busy: Callable[[bool], None],
    ) -> None:
        self._sessions = sessions
        self.going = Going(busy)
        self._turns = Turns(gateway, token, settings)
        self._foreign = ForeignTools(settings.mcp_config)

    async def aclose(self) -> None:
        await self.going.aclose()
        await self._foreign.aclose()
        await self._turns.aclose()

    def along(self, session: str) -> Response | None:
        """The answer that is being made there, from its beginning, to one more reader."""
        turn = self.going.latest(session)
        return None if turn is None else StreamingResponse(turn.lines(), headers=HEADERS)

    async def answer(self, request: Request) -> Response:
        raw = _read(await request.body())
        try:
            given = VercelAIAdapter.build_run_input(msgspec.json.encode(raw))
        except ValidationError as error:
            raise _refused(error) from error
        wanted, sampling, resumable = _model(raw), _sampling(raw), _resumable(raw)
        if not given.messages:
            raise Refused(400, "messages is empty.", param="messages", code="invalid_value")
        sent = raw["messages"]
        _readable(given.messages)
        question = sent[-1].get("id")
        turn = self.going.begin(given.id, question)
        try:
            whole = await self._sessions.continued(given.id, sent)
            taken = VercelAIAdapter.build_run_input(msgspec.json.encode({**raw, "messages": whole}))
            chunks = self._chunks(turn, given, taken, wanted, sampling)
        except BaseException:
            self.going.given_up(turn)
            raise
        self.going.run(turn, chunks)
        return _Asked(turn, resumable)

    def _chunks(
        self, turn: Turn, given: RequestData, taken: RequestData, wanted: str, sampling: Sampling
    ) -> Chunks:
        made = Answer(f"msg-{uuid.uuid4().hex}")
        adapter = VercelAIAdapter(
            agent=self._turns.agent,
            run_input=given,
            sdk_version=SDK_VERSION,
            server_message_id=made.id,
        )
        messages = adapter.sanitize_messages(VercelAIAdapter.load_messages(taken.messages))

        async def keep(answer: Answer) -> None:
            if (answer.parts or answer.metadata) and not turn.ended:
                await self._sessions.answered(turn.session, turn.question, answer.message())

        async def events() -> AsyncIterator[Any]:
            async with AsyncExitStack() as stack:
                more = await self._foreign.join(stack)
                async for event in self._turns.events(messages, wanted, sampling, more, turn.token):
                    yield event

        return stream(adapter, events(), made, keep, turn)


def _read(body: bytes) -> Any:
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, str(error), code="invalid_value") from error
    if isinstance(raw, dict) and "messages" in raw:
        raw["messages"] = whole(raw["messages"])
    return raw


def _refused(error: ValidationError) -> Refused:
    first = error.errors()[0]
    place = ".".join(str(one) for one in first["loc"] if one not in ("submit-message",))
    told = f"{place or 'the body'}: {first['msg']}"
    return Refused(400, told, param=place or None, code="invalid_value")


def _readable(messages: Sequence[UIMessage]) -> None:
    """Before any of it is kept."""
    try:
        VercelAIAdapter.load_messages(messages)
    except (ValueError, AssertionError) as error:
        told = f"messages can't be understood: {error}"
        raise Refused(400, told, param="messages", code="invalid_value") from error


def _model(raw: dict[str, Any]) -> str:
    wanted = raw.get("model")
    if wanted is not None and not isinstance(wanted, str):
        raise Refused(400, "model: expected a name.", param="model", code="invalid_value")
    return wanted or ""


def _resumable(raw: dict[str, Any]) -> bool:
    wanted = raw.get("resumable", False)
    if not isinstance(wanted, bool):
        told = "resumable: expected true or false."
        raise Refused(400, told, param="resumable", code="invalid_value")
    return wanted


def _sampling(raw: dict[str, Any]) -> Sampling:
    given = raw.get("settings")
    try:
        return msgspec.convert({} if given is None else given, Sampling)
    except msgspec.ValidationError as error:
        told = f"settings: {error}"
        raise Refused(400, told, param="settings", code="invalid_value") from error
