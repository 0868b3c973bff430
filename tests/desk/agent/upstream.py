"""A server elsewhere whose models do what an agent must be ready for: each by its name, and by
what it is asked, so that the same question always has the same answer."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Chunk = dict[str, Any]
_NUMBERS = itertools.count()
# Longer than any test waits for it.
ENDLESS_WORDS = 200_000
WAITS_S = 120.0


class Upstream:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.streaming = 0
        # What `far-waits` waits for in the middle of its answer.
        self.go_on = threading.Event()
        handler = type("Handler", (_Handler,), {"upstream": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def setting(self, **more: Any) -> str:
        """As MLXD_REMOTES has it."""
        able = {"capabilities": ["text", "tool_use"], "context": 4096}
        models = {f"far-{name}": name for name in MODELS}
        return json.dumps([{"name": "far", "url": self.url, "models": models, **able, **more}])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def text(*parts: str) -> Iterator[Chunk]:
    for part in parts:
        yield {"content": part}


def call(name: str, **arguments: Any) -> Iterator[Chunk]:
    function = {"name": name, "arguments": ""}
    yield {"tool_calls": [{"index": 0, "id": f"call_{next(_NUMBERS)}", "function": function}]}
    for piece in _pieces(json.dumps(arguments)):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _pieces(whole: str) -> list[str]:
    return [whole[n : n + 7] for n in range(0, len(whole), 7)]


def results(body: dict[str, Any]) -> list[str]:
    """Of tools, since the user last spoke."""
    found: list[str] = []
    for one in body["messages"]:
        if one["role"] == "user":
            found = []
        elif one["role"] == "tool":
            found.append(one["content"])
    return found


def _says(body: dict[str, Any]) -> Iterator[Chunk]:
    yield from text("Hello ", "from ", "far.")


def _reasons(body: dict[str, Any]) -> Iterator[Chunk]:
    yield {"reasoning_content": "Let me "}
    yield {"reasoning_content": "think."}
    yield from text("So it ", "is.")


def _searches(body: dict[str, Any]) -> Iterator[Chunk]:
    if not results(body):
        yield from text("I look. ")
        yield from call("search_documents", query="lighthouse of Velm")
    else:
        yield from text("The lighthouse is blue ", "[1].")


def _reads(body: dict[str, Any]) -> Iterator[Chunk]:
    if not results(body):
        yield from call("read_document", document="nothing-like-it")
    else:
        yield from text("It can't be read.")


def _loops(body: dict[str, Any]) -> Iterator[Chunk]:
    yield from call("machine_status")


def _wrong_call(body: dict[str, Any]) -> Iterator[Chunk]:
    if not results(body) and not any("validation" in str(m) for m in body["messages"]):
        yield from call("search_documents", wrong=1)
    else:
        yield from text("I give up.")


def _foreign(body: dict[str, Any]) -> Iterator[Chunk]:
    if not results(body):
        there = [tool["function"]["name"] for tool in body.get("tools", [])]
        wanted = [name for name in there if name.endswith("double")]
        if not wanted:
            yield from text(f"Only: {', '.join(there)}")
            return
        yield from call(wanted[0], number=21)
    else:
        yield from text("It is ", results(body)[0])


def _kills(body: dict[str, Any]) -> Iterator[Chunk]:
    if not results(body):
        there = [tool["function"]["name"] for tool in body.get("tools", [])]
        yield from call(next(name for name in there if name.endswith("die")))
    else:
        yield from text("It is gone.")


def _waits(body: dict[str, Any]) -> Iterator[Chunk]:
    yield from text("It was long ", "until ", "it came.")


def _endless(body: dict[str, Any]) -> Iterator[Chunk]:
    for n in range(ENDLESS_WORDS):
        yield {"content": f"{n} "}


MODELS: dict[str, Callable[[dict[str, Any]], Iterator[Chunk]]] = {
    "says": _says,
    "reasons": _reasons,
    "searches": _searches,
    "reads": _reads,
    "loops": _loops,
    "wrong-call": _wrong_call,
    "foreign": _foreign,
    "kills": _kills,
    "endless": _endless,
    "waits": _waits,
    "fails": _says,
    "breaks": _says,
    "too-long": _says,
}
REFUSALS = {
    "fails": (500, "the far engine is on fire", "internal"),
    "too-long": (400, "4,100 tokens do not fit 4,096", "context_length_exceeded"),
}


class _Handler(BaseHTTPRequestHandler):
    upstream: Upstream
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.upstream.asked.append(body)
        model = body["model"]
        if model in REFUSALS:
            status, told, code = REFUSALS[model]
            self._answer(status, {"error": {"message": told, "type": "error", "code": code}})
            return
        if not body.get("stream"):
            self._answer(200, self._whole(model, body))
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        self.upstream.streaming += 1
        try:
            self._stream(model, body)
        except (BrokenPipeError, ConnectionResetError):
            return  # the client left, which is what some tests wait for
        finally:
            self.upstream.streaming -= 1

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _whole(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        said = "".join(delta.get("content", "") for delta in MODELS[model](body))
        self.upstream.streaming += 1
        if model == "waits":
            self.upstream.go_on.wait(WAITS_S)
        self.upstream.streaming -= 1
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        made = {"id": "c", "object": "chat.completion", "created": 1, "model": model}
        return {**made, "choices": [choice], "usage": usage}

    def _stream(self, model: str, body: dict[str, Any]) -> None:
        called = False
        for n, delta in enumerate(MODELS[model](body)):
            called = called or "tool_calls" in delta
            self._say(model, delta)
            if model == "waits" and n == 0:
                self.upstream.go_on.wait(WAITS_S)
            if model == "breaks" and n == 1:
                return
        self._say(model, {}, "tool_calls" if called else "stop")
        self.wfile.write(b"data: [DONE]\n\n")

    def _say(self, model: str, delta: Chunk, reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        made = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model}
        self.wfile.write(b"data: " + json.dumps({**made, "choices": [choice]}).encode() + b"\n\n")
        self.wfile.flush()
