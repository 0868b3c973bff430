"""A correct OpenAI server on a real socket, with one switch for each fault that it can be given.

The faults of what the model says are in `mutants.py`; here are those of the wire.
"""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .brain import MODEL, Said, pieces, think
from .edit import Edit
from .other import Other

# Longer than any time limit of the tests; ended early when the server is closed.
FOR_EVER_S = 60.0
DRIP_S = 0.1
# How long an answer waits for another one that it could be swapped with, once there is more than
# one client.
SWAP_WINDOW_S = 0.15
BUSY_S = 3.0
# As often as the check looks.
BUSY_TIMES = 3
LONG_TOKENS = 500

Twist = Callable[[Said, dict[str, Any], "Fake"], None]


class Hangup(Exception):
    """The connection is cut, without another byte."""


class Fake(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        fault: str = "",
        twist: Twist | None = None,
        edit: Edit | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.fault = fault
        self.twist = twist
        self.edit = edit or Edit()
        self.began = self.heard_at = time.monotonic()
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.busy = threading.Lock()
        self.answers = 0
        self.memory: dict[str, Any] = {}
        self.under_way: dict[int, str] = {}
        self.clients = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def say(self, body: dict[str, Any]) -> Said:
        with self.lock:
            self.answers += 1
        if self.fault == "answers-swapped":
            body = self._another(body)
        said = think(body)
        if self.twist:
            self.twist(said, body, self)
        return said

    def _another(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request of whoever asks at the same time."""
        if self.clients < 2:
            return body
        mine = threading.get_ident()
        with self.lock:
            self.under_way[mine] = json.dumps(body)
        time.sleep(SWAP_WINDOW_S)
        with self.lock:
            other = next((text for who, text in self.under_way.items() if who != mine), "")
        time.sleep(SWAP_WINDOW_S)
        with self.lock:
            del self.under_way[mine]
        return body | {"messages": json.loads(other)["messages"]} if other else body

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are a part of the tests."""


@contextlib.contextmanager
def serving(
    fault: str = "",
    twist: Twist | None = None,
    edit: Edit | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Fake]:
    with Fake(fault, twist, edit, tls) as fake:
        thread = threading.Thread(target=fake.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            fake.closing.set()
            fake.shutdown()
            thread.join()


class _Handler(Other, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Fake

    def setup(self) -> None:
        super().setup()
        self.protocol_version = self.server.edit.protocol
        with self.server.lock:
            self.server.clients += 1

    def finish(self) -> None:
        with self.server.lock:
            self.server.clients -= 1
        super().finish()

    def _let_in(self) -> bool:
        """Its path becomes the usual one; False once the client was refused."""
        edit = self.server.edit
        wanted = f"Bearer {edit.key}" if edit.key else None
        if wanted and self.headers["authorization"] != wanted:
            self._error(401, "no key")
            return False
        root = edit.root + edit.version
        self.path = f"/v1{self.path.removeprefix(root)}" if self.path.startswith(root) else "/"
        return True

    def do_GET(self) -> None:
        if not self._let_in():
            return None
        stale = self.server.fault == "stale-models"
        names = ("yesterday",) if stale else self.server.edit.names
        data = [{"id": one, "object": "model", "created": 1, "owned_by": "tests"} for one in names]
        if self.path == "/v1/models":
            return self.reply(200, {"object": "list", "data": data})
        for one in data:
            if self.path == f"/v1/models/{one['id']}":
                return self.reply(200, one)
        return self._error(404, "no such path")

    def do_POST(self) -> None:
        try:
            self._post()
        except Hangup:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def _post(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        if not self._let_in():
            return None
        if refused := self.server.edit.refuse(self.server):
            return self._error(*refused)
        self.server.heard_at = time.monotonic()
        fault = self.server.fault
        try:
            body = json.loads(raw)
            self.server.edit.heard(body)
            wrong = self._wrong(body)
        except ValueError:
            body, wrong = {}, (400, "the body is no JSON")
        if fault == "dies-of-bad-input" and (wrong or self.server.memory):
            self.server.memory["dead"] = True
            return self._error(500, "the engine is gone")
        if wrong:
            if fault == "accepts-anything":
                body = {"messages": [{"role": "user", "content": "Hello"}]}
            elif fault == "bad-input-500":
                return self._error(500, "KeyError")
            else:
                return self._error(*wrong)
        if self.path == "/v1/embeddings":
            return self._embed(body)
        if self.path == "/v1/completions":
            return self._complete(body)
        if self.path != "/v1/chat/completions":
            return self._error(404, "no such path")
        return self._chat(body)

    def _wrong(self, body: dict[str, Any]) -> tuple[int, str] | None:
        if body.get("model") not in self.server.edit.names:
            return 404, f"there is no model {body.get('model')!r}"
        if self.path == "/v1/chat/completions":
            if not isinstance(body.get("messages"), list) or not body["messages"]:
                return 400, "messages has to be a list of messages"
            if not isinstance(body.get("max_tokens") or 1, int):
                return 400, "max_tokens has to be a whole number"
            if not isinstance(body.get("temperature") or 0, (int, float)):
                return 400, "temperature has to be a number"
        return None

    def _chat(self, body: dict[str, Any]) -> None:
        fault = self.server.fault
        if fault == "http-500":
            return self._error(500, "something broke")
        if fault == "html-error":
            return self.send(502, "text/html", b"<html><body>Bad Gateway</body></html>")
        if fault == "error-in-200":
            return self.reply(200, {"error": {"message": "out of memory", "type": "x"}})
        if fault == "hang-before-headers":
            self.server.closing.wait(FOR_EVER_S)
        if fault == "closes-before-headers":
            raise Hangup
        if fault == "busy-after-cancel":
            with self.server.busy:
                said = self.server.say(body)
        else:
            said = self.server.say(body)
        if fault == "gone-after-a-while" and self.server.answers > 20:
            self.server.socket.close()
            self.server.closing.set()
            raise Hangup
        if body.get("stream"):
            return self._stream(said, body)
        return self._whole(said, body)

    def usage(self, said: Said, *, streamed: bool = False) -> dict[str, int]:
        prompt, completion = said.prompt_tokens, said.completion_tokens
        fault = self.server.fault
        if fault == "stream-counts-differ" and streamed:
            completion += 1
        total = prompt + completion + (fault == "usage-off-by-one")
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}

    def _whole(self, said: Said, asked: dict[str, Any]) -> None:
        fault = self.server.fault
        message: dict[str, Any] = {"role": "assistant", "content": said.content}
        if said.reasoning:
            message["reasoning_content"] = said.reasoning
        if said.calls:
            message["tool_calls"] = [
                self._call(number, name, arguments)
                for number, (name, arguments) in enumerate(said.calls)
            ]
        if fault == "role-missing":
            del message["role"]
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": said.finish}
        if asked.get("logprobs"):
            choice["logprobs"] = {"content": self._logprobs(said)}
        body = {
            "id": f"chatcmpl-{self.server.answers}",
            "object": "chat.completion",
            "created": 1,
            "model": asked.get("model", MODEL),
            "choices": [choice],
            "usage": self.usage(said),
        }
        body["choices"] = [
            choice | {"index": 0 if fault == "choices-share-an-index" else number}
            for number in range(1 if fault == "one-choice-only" else asked.get("n") or 1)
        ]
        choice = body["choices"][0]
        if fault == "finish-null":
            choice["finish_reason"] = None
        if fault == "usage-missing":
            del body["usage"]
        if fault == "no-choices":
            body["choices"] = []
        if fault == "content-is-a-list":
            message["content"] = [{"type": "text", "text": said.content}]
        if fault == "calls-are-a-number":
            message["tool_calls"] = 7
        if fault == "usage-is-text":
            body["usage"] = {key: str(value) for key, value in self.usage(said).items()}
        self.server.edit.body(body)
        data = self.server.edit.data(json.dumps(body, ensure_ascii=False).encode())
        if fault == "body-cut":
            data = data[: len(data) // 2]
        if fault == "hang-after-headers":
            return self._begin_and_hang("application/json", len(data))
        if fault == "slow-drip":
            return self._drip("application/json", data)
        kind = "text/plain" if fault == "wrong-content-type" else "application/json"
        return self.send(200, kind, data)

    def _call(self, number: int, name: str, arguments: str) -> dict[str, Any]:
        fault = self.server.fault
        sent: Any = arguments
        if fault == "arguments-twice-encoded":
            sent = json.dumps(arguments)
        if fault == "arguments-not-a-string":
            sent = json.loads(arguments)
        call: dict[str, Any] = {
            "id": f"call_{self.server.answers}_{0 if fault == 'calls-share-an-id' else number}",
            "type": "function",
            "function": {"name": name, "arguments": sent},
        }
        if fault == "call-without-id":
            del call["id"]
        return call

    def _begin_and_hang(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("content-type", self.server.edit.kind(kind))
        self.send_header("content-length", str(length))
        self.end_headers()
        self.wfile.flush()
        self.server.closing.wait(FOR_EVER_S)

    def _drip(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", self.server.edit.kind(kind))
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        for place in range(len(data)):
            self.wfile.write(data[place : place + 1])
            self.wfile.flush()
            if self.server.closing.wait(DRIP_S):
                return

    def _stream(self, said: Said, body: dict[str, Any]) -> None:
        fault = self.server.fault
        kind = "application/json" if fault == "stream-content-type" else "text/event-stream"
        self.send_response(200)
        self.send_header("content-type", self.server.edit.kind(kind))
        if self.protocol_version == "HTTP/1.1":
            self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        if fault == "hang-after-headers":
            self.server.closing.wait(FOR_EVER_S)
            return None
        events = self.server.edit.stream(list(self._events(said, body)))
        long = said.completion_tokens > LONG_TOKENS
        if fault == "busy-after-cancel" and long and self._still_busy():
            return self._busily(events)
        try:
            for number, event in enumerate(events):
                if fault == "dies-mid-stream" and number == len(events) // 2:
                    raise Hangup
                if fault == "slow-drip" and self.server.closing.wait(DRIP_S):
                    return None
                self._chunk(event)
            self._chunk(b"")
        except OSError:
            self.close_connection = True

    def _still_busy(self) -> bool:
        self.server.memory["busy"] = self.server.memory.get("busy", 0) + 1
        return bool(self.server.memory["busy"] <= BUSY_TIMES)

    def _busily(self, events: list[bytes]) -> None:
        """To the end, whoever still listens; everybody else waits."""
        self.close_connection = True
        with self.server.busy:
            with contextlib.suppress(OSError):
                for event in events[:5]:
                    self._chunk(event)
            self.server.closing.wait(BUSY_S)

    def _chunk(self, data: bytes) -> None:
        framed = b"%x\r\n%b\r\n" % (len(data), data)
        self.wfile.write(framed if self.protocol_version == "HTTP/1.1" else data)
        self.wfile.flush()

    def _events(self, said: Said, body: dict[str, Any]) -> Iterator[bytes]:
        fault = self.server.fault
        number = 0

        named = body.get("model", MODEL)

        def event(choices: list[Any], **more: Any) -> bytes:
            nonlocal number
            number += 1
            id_ = f"chatcmpl-{self.server.answers}"
            if fault == "chunk-ids-differ":
                id_ += f"-{number}"
            chunk = {"id": id_, "object": "chat.completion.chunk", "created": 1, "model": named}
            data = json.dumps(chunk | {"choices": choices} | more, ensure_ascii=False).encode()
            return b"data: " + data + b"\n\n"

        numbers = range(body.get("n") or 1)

        def delta(finish: str | None = None, told: Any = None, **what: Any) -> bytes:
            shared = fault == "choices-share-an-index"
            more = {"logprobs": {"content": told}} if told else {}
            return b"".join(
                event(
                    [{"index": 0 if shared else one, "delta": what, "finish_reason": finish} | more]
                )
                for one in numbers
            )

        told = iter(self._logprobs(said) if body.get("logprobs") else ())

        yield delta(role="assistant", content="")
        for piece in pieces(said.reasoning):
            yield delta(reasoning_content=piece)
        for piece in self._parts(said.content or ""):
            yield delta(content=piece, told=[one for one in (next(told, None),) if one])
            if fault == "error-in-stream":
                yield b'data: {"error": {"message": "the engine died"}}\n\n'
                return
        for index, (name, arguments) in enumerate(said.calls):
            call = self._call(index, name, arguments) | {"index": index}
            sent = call["function"].pop("arguments")
            yield delta(tool_calls=[call])
            parts = pieces(sent) if isinstance(sent, str) else [sent]
            for part in parts[1:] if fault == "call-deltas-dropped" else parts:
                yield delta(tool_calls=[{"index": index, "function": {"arguments": part}}])
        yield delta(finish=said.finish)
        if fault == "finish-twice":
            yield delta(finish=said.finish)
        if (body.get("stream_options") or {}).get("include_usage") and fault != "usage-missing":
            yield event([], usage=self.usage(said, streamed=True))
        if fault == "cut-without-end":
            yield b'data: {"id": "chatcmpl'
            return
        if fault != "no-done":
            yield b"data: [DONE]\n\n"
        if fault == "after-done":
            yield delta(content="more")

    def _parts(self, text: str) -> Iterator[str]:
        """What the text is streamed as."""
        fault = self.server.fault
        parts = pieces(text)
        if fault == "deltas-dropped" and len(parts) > 1:
            del parts[1]
        if fault == "deltas-duplicated":
            parts = [part for one in parts for part in (one, one)]
        if fault == "stream-differs":
            parts = pieces(text.title() if text.title() != text else text.lower())
        if fault == "unicode-broken":
            for part in parts:
                data = part.encode()
                for cut in (data[:2], data[2:]):
                    yield cut.decode(errors="replace")
            return
        yield from parts

    def _error(self, status: int, message: str) -> None:
        self.reply(status, {"error": {"message": message, "type": "error", "code": None}})

    def reply(self, status: int, body: dict[str, Any]) -> None:
        status, body = self.server.edit.reply(self.path, status, body)
        self.send(status, "application/json", json.dumps(body, ensure_ascii=False).encode())

    def send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", self.server.edit.kind(kind))
        fault = self.server.fault if "chat" in self.path else ""
        if fault == "gzip-that-is-none":
            self.send_header("content-encoding", "gzip")
        length = len(data) + (10 if fault == "too-short-a-body" else 0)
        self.send_header("content-length", str(length))
        for name, value in self.server.edit.headers(status, data).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        if fault == "too-short-a-body" or self.server.edit.hangs_up():
            raise Hangup

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
