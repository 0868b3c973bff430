"""An engine that is right by construction: a process that speaks the channel's frames and says what
the scripted model says, one token a step.

    python -m mlxd.referee.scripted --fd N [what any engine is given]
"""

import argparse
import base64
import hashlib
import math
import os
import queue
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from typing import Any

from mlxd import wire

from .brain import Said, pieces, think

COMMAND = (sys.executable, "-P", "-m", "mlxd.referee.scripted")
HEARTBEAT_S = 0.2
CONTEXT, VOCABULARY = 32_768, 50_000
CAPABILITIES = ["text", "vision", "tool_use", "structured_output", "embedding"]
LOGPROB = -0.5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    end = wire.EngineEnd(socket.socket(fileno=parser.parse_known_args()[0].fd))
    asked: queue.Queue[wire.Down] = queue.Queue()

    def read() -> None:
        for frame in end.frames():
            asked.put(frame)
        os._exit(0)

    threading.Thread(target=read, daemon=True, name="reader").start()
    end.send(
        wire.Hello(
            pid=os.getpid(),
            versions={"scripted": "1"},
            device="none",
            architecture="scripted",
            context=CONTEXT,
            vocabulary=VOCABULARY,
            parameters=0,
            bytes_per_token=1,
            kv_budget=1 << 30,
            capabilities=CAPABILITIES,
            dtype="float32",
            load_seconds=0.0,
        )
    )
    taken = steps = 0
    while True:
        end.send(wire.Progress("idle", steps=steps, taken=taken))
        try:
            frame = asked.get(timeout=HEARTBEAT_S)
        except queue.Empty:
            continue
        if isinstance(frame, wire.Submit):
            taken += 1
            for event in answer(frame):
                steps += 1
                end.send(wire.Step([event]))
        elif isinstance(frame, wire.Embed):
            texts = [
                one.text if isinstance(one, wire.Text) else str(one.ids) for one in frame.inputs
            ]
            count = sum(len(pieces(text)) for text in texts)
            end.send(wire.Embedded(frame.id, [_vector(text) for text in texts], count))
        elif isinstance(frame, wire.Drain):
            end.send(wire.Drained())
        elif isinstance(frame, wire.Stop):
            os._exit(0)


def answer(submit: wire.Submit) -> Iterator[wire.Event]:
    said = _said(submit)
    thought = len(pieces(said.reasoning))
    usage = wire.Usage(max(1, said.prompt_tokens), said.completion_tokens, 0, thought)
    yield from list(_events(submit, said))[len(submit.resume) :]
    yield wire.Event(submit.id, finish=said.finish, usage=usage)  # type: ignore[arg-type]


def _events(submit: wire.Submit, said: Said) -> Iterator[wire.Event]:
    for piece in pieces(said.reasoning):
        yield wire.Event(submit.id, tokens=[_id(piece)], reasoning=piece)
    for piece in pieces(said.content or ""):
        told = [] if submit.logprobs is None else [_logprob(piece, submit.logprobs)]
        yield wire.Event(submit.id, tokens=[_id(piece)], text=piece, logprobs=told)
    for index, (name, arguments) in enumerate(said.calls):
        yield wire.Event(submit.id, tokens=[_id(name)], calls=[wire.CallDelta(index, name)])
        for piece in pieces(arguments):
            delta = wire.CallDelta(index, None, piece)
            yield wire.Event(submit.id, tokens=[_id(piece)], calls=[delta])


def _said(submit: wire.Submit) -> Said:
    """As the request was before the gateway read it."""
    given, sampling = submit.input, submit.sampling
    body: dict[str, Any] = {
        "max_tokens": submit.max_tokens,
        "stop": submit.stop,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "messages": [],
    }
    if submit.format:
        body["response_format"] = {"type": submit.format.kind}
    if isinstance(given, wire.Chat):
        choice = given.tool_choice
        named = {"type": "function", "function": {"name": choice.removeprefix("=")}}
        body["messages"] = [_message(one) for one in given.messages]
        body["tools"] = [{"function": _tool(one)} for one in given.tools]
        body["tool_choice"] = named if choice.startswith("=") else choice
        body["parallel_tool_calls"] = given.parallel_tool_calls
    else:
        body["messages"] = [{"role": "user", "content": _text(given)}]
    return think({key: value for key, value in body.items() if value is not None})


def _text(given: wire.Text | wire.Tokens) -> str:
    return given.text if isinstance(given, wire.Text) else str(given.ids)


def _tool(one: wire.Tool) -> dict[str, Any]:
    return {"name": one.name, "parameters": one.parameters}


def _message(one: wire.Message) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for part in one.content:
        if isinstance(part, wire.TextPart):
            parts.append({"type": "text", "text": part.text})
        else:
            url = "data:image/png;base64," + base64.b64encode(part.data).decode()
            parts.append({"type": "image_url", "image_url": {"url": url}})
    made: dict[str, Any] = {"role": one.role, "content": parts, "tool_call_id": one.tool_call_id}
    return made | {"tool_calls": [{"id": call.id} for call in one.tool_calls]}


def _id(piece: str) -> int:
    return zlib.crc32(piece.encode()) % VOCABULARY


def _logprob(piece: str, alternatives: int) -> wire.TokenLogprob:
    top = [wire.TokenLogprob(piece, LOGPROB, piece.encode())]
    top += [wire.TokenLogprob(f"?{n}", LOGPROB - n, b"?") for n in range(1, alternatives)]
    return wire.TokenLogprob(piece, LOGPROB, piece.encode(), top[:alternatives])


def _vector(text: str) -> bytes:
    raw = [byte / 128 - 1 for byte in hashlib.sha256(text.encode()).digest()]
    length = math.hypot(*raw)
    return struct.pack(f"<{len(raw)}f", *(number / length for number in raw))


if __name__ == "__main__":
    main()
