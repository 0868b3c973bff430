"""An engine of its own behind the least of servers: checks reach the engine straight over the
channel, and nothing of the gateway is between them."""

import asyncio
import contextlib
import json
import secrets
import signal
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from mlxd import wire
from mlxd.catalog import ModelEntry
from mlxd.settings import Settings
from mlxd.supervisor.launch import ENGINE, Child, engine_arguments, launch

from .messages import picture
from .others import others, usage_of
from .refused import Refused, refusal

START_LIMIT_S = 600.0
STOP_LIMIT_S = 30.0


_Frame = wire.Event | wire.Embedded | wire.Failed


class NoEngine(Exception):
    """It did not come up; the message has its own words."""


class Straight:
    def __init__(self, child: Child, end: wire.GatewayEnd) -> None:
        self._child = child
        self._end = end
        self._queues: dict[int, asyncio.Queue[_Frame]] = {}
        self._last = 0
        # Its last word, once the channel has ended: nobody puts anything into a queue any more.
        self._gone: wire.Failed | None = None
        self._hello = asyncio.get_running_loop().create_future()
        self.model = ""
        self.reading = asyncio.create_task(self._read())

    async def ready(self) -> None:
        async with asyncio.timeout(START_LIMIT_S):
            await self._hello

    async def _read(self) -> None:
        gone = wire.Failed(0, "engine", "the engine is gone")
        with contextlib.suppress(wire.ChannelClosed, wire.BrokenFrame, msgspec.DecodeError):
            while True:
                frame = await self._end.receive()
                if isinstance(frame, wire.Hello) and not self._hello.done():
                    self._hello.set_result(None)
                elif isinstance(frame, wire.Step):
                    for event in frame.events:
                        if event.id in self._queues:
                            self._queues[event.id].put_nowait(event)
                elif isinstance(frame, wire.Embedded) or (
                    isinstance(frame, wire.Failed) and frame.id
                ):
                    if frame.id in self._queues:
                        self._queues[frame.id].put_nowait(frame)
                elif isinstance(frame, wire.Failed):
                    gone = frame
        self._gone = gone
        if not self._hello.done():
            self._hello.set_exception(NoEngine(gone.message))
        for queue in self._queues.values():
            queue.put_nowait(gone)

    def _open(self) -> tuple[int, asyncio.Queue[_Frame]]:
        if self._gone:
            raise Refused(self._gone)
        self._last += 1
        queue = self._queues[self._last] = asyncio.Queue()
        return self._last, queue

    async def embed(self, texts: list[str]) -> wire.Embedded:
        number, queue = self._open()
        self._end.send(wire.Embed(number, [wire.Text(one) for one in texts]))
        try:
            found = await queue.get()
        finally:
            del self._queues[number]
        if isinstance(found, wire.Failed):
            raise Refused(found)
        assert isinstance(found, wire.Embedded)
        return found

    async def events(self, asked: dict[str, Any], seed: int) -> AsyncGenerator[wire.Event, None]:
        number, queue = self._open()
        self._end.send(submit(number, asked, seed))
        finished = False
        try:
            while True:
                event = await queue.get()
                if isinstance(event, wire.Failed):
                    finished = True
                    raise Refused(event)
                assert isinstance(event, wire.Event)
                yield event
                if event.finish:
                    finished = True
                    return
        finally:
            del self._queues[number]
            if not finished:
                self._end.send(wire.Cancel(number))

    async def close(self) -> None:
        self._end.send(wire.Stop())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await asyncio.shield(self.reading)
        self.reading.cancel()
        self._child.signal(signal.SIGKILL)
        await asyncio.to_thread(self._child.reap)
        await self._end.close()


@contextlib.asynccontextmanager
async def straight(
    entry: ModelEntry, settings: Settings, log: Path, command: Sequence[str] = ENGINE
) -> AsyncIterator[str]:
    """The URL of a server for the time of the checks."""
    child = launch(engine_arguments(entry, settings), log, command=command)
    engine = Straight(child, await child.open())
    engine.model = entry.id
    try:
        await engine.ready()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            server = _Server(uvicorn.Config(_app(engine), log_level="warning", lifespan="off"))
            serving = asyncio.create_task(server.serve([listening]))
            try:
                yield url
            finally:
                server.should_exit = server.force_exit = True
                await serving
    finally:
        await engine.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """They are the command's."""
        yield


# --- the least of dialects ---------------------------------------------------------------------


def submit(number: int, asked: dict[str, Any], seed: int) -> wire.Submit:
    choice = asked.get("tool_choice") or "auto"
    formats = asked.get("response_format") or {}
    stop = asked.get("stop") or []
    return wire.Submit(
        id=number,
        input=wire.Text(asked["prompt"])
        if "prompt" in asked
        else wire.Chat(
            messages=[_message(one) for one in asked["messages"]],
            tools=[wire.Tool(**_named(one["function"])) for one in asked.get("tools") or ()],
            tool_choice=choice if isinstance(choice, str) else f"={choice['function']['name']}",
            parallel_tool_calls=asked.get("parallel_tool_calls") is not False,
        ),
        sampling=wire.Sampling(
            temperature=asked.get("temperature"), top_p=asked.get("top_p"), seed=seed
        ),
        max_tokens=asked.get("max_completion_tokens") or asked.get("max_tokens"),
        logprobs=(asked.get("top_logprobs") or 0) if asked.get("logprobs") else None,
        stop=[stop] if isinstance(stop, str) else stop,
        format=_format(formats),
    )


def _named(function: dict[str, Any]) -> dict[str, Any]:
    return {key: function[key] for key in ("name", "description", "parameters") if key in function}


def _format(asked: dict[str, Any]) -> wire.Format | None:
    if asked.get("type") == "json_schema":
        return wire.Format("json_schema", json.dumps(asked["json_schema"]["schema"]))
    return wire.Format("json_object") if asked.get("type") == "json_object" else None


def _message(one: dict[str, Any]) -> wire.Message:
    content = one.get("content") or []
    parts: list[dict[str, Any]] = (
        [{"type": "text", "text": content}] if isinstance(content, str) else content
    )
    return wire.Message(
        role=one["role"],
        content=[
            wire.TextPart(part["text"])
            if part["type"] == "text"
            else wire.ImagePart(picture(part["image_url"]["url"]))
            for part in parts
        ],
        name=one.get("name"),
        tool_calls=[
            wire.ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in one.get("tool_calls") or ()
        ],
        tool_call_id=one.get("tool_call_id"),
    )


def _app(engine: Straight) -> Starlette:
    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": engine.model, "object": "model"}]})

    async def chat(request: Request) -> Response:
        asked = await request.json()
        seed = asked.get("seed")
        seeds = [
            (secrets.randbits(31) if seed is None else seed) + place
            for place in range(asked.get("n") or 1)
        ]
        base = {"id": f"chatcmpl-{secrets.token_hex(8)}", "created": int(time.time())}
        base["model"] = engine.model
        try:
            if asked.get("stream"):
                return await _streamed(engine, asked, seeds, base)
            found = [[one async for one in engine.events(asked, seed)] for seed in seeds]
        except Refused as refused:
            return refusal(refused)
        choices = [_whole(index, events) for index, events in enumerate(found)]
        body = base | {"object": "chat.completion", "choices": choices}
        return JSONResponse(body | {"usage": usage_of([events[-1] for events in found])})

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/chat/completions", chat, methods=["POST"]),
            *others(engine),
        ]
    )


async def _streamed(
    engine: Straight, asked: dict[str, Any], seeds: list[int], base: dict[str, Any]
) -> Response:
    def data(choices: list[Any], **more: Any) -> str:
        chunk = base | {"object": "chat.completion.chunk", "choices": choices} | more
        return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"

    async def lines() -> AsyncIterator[str]:
        ends = []
        for index, seed in enumerate(seeds):
            begun: dict[int, str] = {}
            first = {"role": "assistant", "content": ""}
            yield data([{"index": index, "delta": first, "finish_reason": None}])
            async with contextlib.aclosing(engine.events(asked, seed)) as events:
                async for event in events:
                    delta = _delta(event, begun)
                    if delta or event.logprobs:
                        made = {"index": index, "delta": delta, "finish_reason": None}
                        yield data([made | _logprobs([event])])
                    if event.finish:
                        ends.append(event)
                        end = {"index": index, "delta": {}, "finish_reason": event.finish}
                        yield data([end])
        if (asked.get("stream_options") or {}).get("include_usage"):
            yield data([], usage=usage_of(ends))
        yield "data: [DONE]\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


def _delta(event: wire.Event, begun: dict[int, str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if event.text:
        made["content"] = event.text
    if event.reasoning:
        made["reasoning_content"] = event.reasoning
    calls = []
    for call in event.calls:
        known = call.index in begun
        begun.setdefault(call.index, f"call_{secrets.token_hex(6)}")
        function: dict[str, Any] = {"arguments": call.arguments}
        one: dict[str, Any] = {"index": call.index, "function": function}
        if not known:
            function["name"] = call.name
            one |= {"id": begun[call.index], "type": "function"}
        calls.append(one)
    return made | ({"tool_calls": calls} if calls else {})


def _whole(index: int, events: list[wire.Event]) -> dict[str, Any]:
    text = "".join(event.text for event in events)
    calls: dict[int, list[str]] = {}
    for event in events:
        for call in event.calls:
            known = calls.setdefault(call.index, ["", ""])
            known[0] += call.name or ""
            known[1] += call.arguments
    message: dict[str, Any] = {"role": "assistant", "content": text if text or not calls else None}
    if reasoning := "".join(event.reasoning for event in events):
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{secrets.token_hex(6)}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            for name, arguments in calls.values()
        ]
    choice = {"index": index, "message": message, "finish_reason": events[-1].finish}
    return choice | _logprobs(events)


def _logprobs(events: list[wire.Event]) -> dict[str, Any]:
    listed = [_logprob(one) for event in events for one in event.logprobs]
    return {"logprobs": {"content": listed}} if listed else {}


def _logprob(one: wire.TokenLogprob) -> dict[str, Any]:
    made = {"token": one.token, "logprob": one.logprob, "bytes": list(one.bytes_)}
    return made | {"top_logprobs": [_logprob(other) for other in one.top]}
