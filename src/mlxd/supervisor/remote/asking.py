"""A model elsewhere, asked as the checks of `confirm` ask one here: frames become a request of the
OpenAI API, and its answer becomes one event."""

import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from mlxd import wire
from mlxd.supervisor.contract import Passed, RemoteFailed, RequestFailed

from .endpoint import RemoteModel


class Asking:
    def __init__(self, model: RemoteModel) -> None:
        self._model = model

    def generate(self, submit: wire.Submit) -> "_Answer":
        return _Answer(self, submit)

    async def embed(self, frame: wire.Embed) -> wire.Embedded:
        texts = [one.text for one in frame.inputs if isinstance(one, wire.Text)]
        made = await self.ask("/embeddings", {"input": texts, "encoding_format": "float"})
        try:
            rows = [[float(x) for x in one["embedding"]] for one in made["data"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._odd(error) from error
        vectors = [struct.pack(f"<{len(row)}f", *row) for row in rows]
        return wire.Embedded(0, vectors, 0)

    async def ask(self, path: str, body: dict[str, Any]) -> Any:
        passed = await self._model.ask(path, body, 0)
        try:
            data = b"".join([part async for part in passed])
        finally:
            await passed.aclose()
        if passed.status >= 400:
            raise self._refused(passed, data)
        return msgspec.json.decode(data)

    def _refused(self, passed: Passed, data: bytes) -> Exception:
        told = data.decode("utf-8", "replace")[:300]
        name = self._model.remote.declared.name
        if passed.status in (400, 422):
            return RequestFailed(wire.Failed(0, "client", f"{name} refused it: {told}"))
        return RemoteFailed(f"{name} answered {passed.status}: {told}", code="remote_failed")

    def _odd(self, error: Exception) -> RemoteFailed:
        name = self._model.remote.declared.name
        return RemoteFailed(f"{name} answered in another form: {error!r}.", code="remote_failed")

    async def answer(self, submit: wire.Submit) -> wire.Event:
        made = await self.ask("/chat/completions", _request(submit))
        try:
            message = made["choices"][0]["message"]
            calls = [
                wire.CallDelta(i, one["function"]["name"], one["function"]["arguments"])
                for i, one in enumerate(message.get("tool_calls") or [])
            ]
            text = str(message.get("content") or "")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise self._odd(error) from error
        return wire.Event(submit.id, text=text, calls=calls, finish="stop")


class _Answer:
    state = "asked elsewhere"

    def __init__(self, asking: Asking, submit: wire.Submit) -> None:
        self._events = self._one(asking, submit)

    async def _one(self, asking: Asking, submit: wire.Submit) -> AsyncIterator[list[wire.Event]]:
        yield [await asking.answer(submit)]

    def __aiter__(self) -> AsyncIterator[list[wire.Event]]:
        return self._events

    async def __anext__(self) -> list[wire.Event]:
        return await anext(self._events)

    async def aclose(self) -> None:
        """An answer is asked for and read in one step; nothing is left open."""


def _request(submit: wire.Submit) -> dict[str, Any]:
    assert isinstance(submit.input, wire.Chat)
    made: dict[str, Any] = {
        "messages": [_message(one) for one in submit.input.messages],
        "temperature": submit.sampling.temperature,
        "max_tokens": submit.max_tokens,
    }
    if submit.input.tools:
        made["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": one.name,
                    "description": one.description,
                    "parameters": one.parameters,
                },
            }
            for one in submit.input.tools
        ]
    if submit.format is not None and submit.format.kind == "json_schema":
        schema = msgspec.json.decode(submit.format.spec)
        form = {"name": "check", "schema": schema, "strict": True}
        made["response_format"] = {"type": "json_schema", "json_schema": form}
    return made


def _message(message: wire.Message) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role, "content": _content(message.content)}
    if message.tool_calls:
        made["tool_calls"] = [
            {
                "id": one.id,
                "type": "function",
                "function": {"name": one.name, "arguments": one.arguments},
            }
            for one in message.tool_calls
        ]
    if message.tool_call_id:
        made["tool_call_id"] = message.tool_call_id
    return made


def _content(parts: Any) -> Any:
    if not parts:
        return None
    if all(isinstance(one, wire.TextPart) for one in parts):
        return "".join(one.text for one in parts)
    return [_part(one) for one in parts]


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, wire.TextPart):
        return {"type": "text", "text": part.text}
    # The checks draw PNG.
    data = base64.b64encode(part.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
