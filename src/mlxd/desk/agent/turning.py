"""A client's turn: taken in, answered as a stream, and kept."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from pydantic import ValidationError
from pydantic_ai.ui.vercel_ai import VercelAIAdapter
from pydantic_ai.ui.vercel_ai.request_types import UIMessage
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from mlxd.desk.answers import Refused
from mlxd.settings import AgentSettings

from .building import Answer
from .foreign import ForeignTools
from .going import Going
from .sessions import Sessions
from .stream import HEADERS, SDK_VERSION, stream
from .turn import Sampling, Turns


class Turning:
    def __init__(
        self, gateway: str, token: str | None, settings: AgentSettings, sessions: Sessions
    ) -> None:
        self._sessions = sessions
        self._going = Going()
        self._turns = Turns(gateway, token, settings)
        self._foreign = ForeignTools(settings.mcp_config)

    async def aclose(self) -> None:
        await self._foreign.aclose()
        await self._turns.aclose()

    def deleted(self, session: str) -> None:
        """Nobody waits for what it would still be answered."""
        self._going.deleted(session)

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        try:
            given = VercelAIAdapter.build_run_input(body)
        except ValidationError as error:
            raise _refused(error) from error
        raw = msgspec.json.decode(body)
        wanted, sampling = _model(raw), _sampling(raw)
        if not given.messages:
            raise Refused(400, "messages is empty.", param="messages", code="invalid_value")
        sent = raw["messages"]
        _readable(given.messages)
        question = sent[-1].get("id")
        turn = self._going.begin(given.id, question)
        whole = await self._sessions.continued(given.id, sent)
        made = Answer(f"msg-{uuid.uuid4().hex}")
        adapter = VercelAIAdapter(
            agent=self._turns.agent,
            run_input=given,
            sdk_version=SDK_VERSION,
            server_message_id=made.id,
        )
        taken = VercelAIAdapter.build_run_input(msgspec.json.encode({**raw, "messages": whole}))
        messages = adapter.sanitize_messages(VercelAIAdapter.load_messages(taken.messages))

        async def keep(answer: Answer) -> None:
            if (answer.parts or answer.metadata) and not turn.ended:
                await self._sessions.answered(given.id, question, answer.message())

        async def events() -> AsyncIterator[Any]:
            async with AsyncExitStack() as stack:
                more = await self._foreign.join(stack)
                async for event in self._turns.events(messages, wanted, sampling, more, turn.token):
                    yield event

        lines = stream(adapter, events(), made, keep, turn)
        return StreamingResponse(lines, headers=HEADERS)


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


def _sampling(raw: dict[str, Any]) -> Sampling:
    given = raw.get("settings")
    try:
        return msgspec.convert({} if given is None else given, Sampling)
    except msgspec.ValidationError as error:
        told = f"settings: {error}"
        raise Refused(400, told, param="settings", code="invalid_value") from error
