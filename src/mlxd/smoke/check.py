"""What a check is, and what it is given to work with."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import Any

import msgspec

from . import answer as answers
from .answer import Answer
from .faults import Fault, Skip
from .nonce import Nonces
from .result import Exchange, Kind
from .server import FaultyExchange, Reply, Server
from .stream import read_stream

CHAT = "/v1/chat/completions"
Messages = list[dict[str, Any]] | str
# How long a model may take to be loaded by a server that says that it does so.
LOAD_S = 600.0
LOADING_POLL_S = 0.5
# Whatever the server says: no client should ask more often.
LEAST_WAIT_S = 0.05
STREAMS_BROKEN = "streams are broken"
# What stands for bytes that are no character.
BROKEN = "\ufffd"
NOT_LOADED = "the model was not loaded in time"
PACE = "seconds of a short answer at the beginning"
USAGE_WRONG = "usage is wrong"
_LOADING = re.compile(r"\bload(?:ing|ed)\b|warming|starting", re.IGNORECASE)
TOO_MANY = 429
BUSY = (TOO_MANY, 503)
# How servers say that they do not have something. Not 500: that is a defect.
LACKING = (400, 404, 405, 415, 422, 501)


class Options(msgspec.Struct, kw_only=True, frozen=True):
    """How requests are made."""

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float | None = None
    # Of one request, from connecting to the last byte.
    timeout: float = 120.0


@dataclass
class Probe:
    """One round: asks the server, and keeps every exchange for the report."""

    server: Server
    model: str
    options: Options
    nonces: Nonces
    # What /v1/models says of this model.
    listed: dict[str, Any]
    number: int = 1
    # Noted by earlier checks of this run.
    notes: dict[str, float] = field(default_factory=dict)
    # Told why nothing happens for a while.
    waiting: Callable[[str], None] = lambda told: None
    expected: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    first_token_s: float | None = None
    tokens: int | None = None

    def expect(self, text: str) -> str:
        """Note for the report what the answer has to be."""
        self.expected = text
        return text

    def body(self, messages: Messages, **more: Any) -> dict[str, Any]:
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        made: dict[str, Any] = {
            # Where none is listed or named, a server of one model takes its own.
            "model": self.model or None,
            "messages": messages,
            "max_tokens": self.options.max_tokens,
            "temperature": self.options.temperature,
        }
        if self.options.top_p is not None:
            made["top_p"] = self.options.top_p
        return {name: value for name, value in (made | more).items() if value is not None}

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes = b"",
        by: Server | None = None,
    ) -> Reply:
        """Asked again where the server says when, as every client should."""
        began = perf_counter()
        asked = 0
        while True:
            try:
                reply = await (by or self.server).send(method, path, body, raw=raw)
            except FaultyExchange as fault:
                self.exchanges.append(fault.exchange)
                raise
            self.exchanges.append(reply.exchange)
            wait, limit = _asked_to_wait(reply), self.options.timeout
            loading = wait is None and _is_loading(reply) and NOT_LOADED not in self.notes
            if loading:
                wait, limit = LOADING_POLL_S, LOAD_S
                self.waiting(answers.error_message(reply) or "")
            if wait is None:
                return reply
            asked += 1
            if perf_counter() - began + wait > limit:
                if asked == 1 and reply.status != TOO_MANY:
                    return reply
                if loading:
                    self.notes[NOT_LOADED] = 1
                raise _not_in_time(reply, asked, perf_counter() - began)
            self.exchanges.pop()
            # The server named this time.
            await asyncio.sleep(max(wait, LEAST_WAIT_S))

    async def chat(self, messages: Messages, *, optional: str = "", **more: Any) -> Answer:
        """`optional` names what a server may lack: where it says so itself, the check is
        skipped."""
        reply = await self.send("POST", CHAT, self.body(messages, **more))
        if optional:
            skip_if_lacking(reply, optional)
        return self._noted(answers.read_whole(reply))

    async def stream(self, messages: Messages, *, optional: str = "", **more: Any) -> Answer:
        more = {"stream_options": {"include_usage": True}} | more
        reply = await self.send("POST", CHAT, self.body(messages, stream=True, **more))
        if optional:
            skip_if_lacking(reply, optional)
        return self._noted(read_stream(reply))

    async def either(self, messages: Messages, **more: Any) -> Answer:
        """Streamed in every second round, as far as streams were not found to be broken: that is
        one fault, and not one of everything that was asked for in a stream."""
        streamed = self.number % 2 == 0 and STREAMS_BROKEN not in self.notes
        return await (self.stream if streamed else self.chat)(messages, **more)

    def _noted(self, answer: Answer) -> Answer:
        if answer.first_token_s is not None and self.first_token_s is None:
            self.first_token_s = answer.first_token_s
        if answer.completion_tokens is not None:
            self.tokens = (self.tokens or 0) + answer.completion_tokens
        return answer

    def not_its_model(self, answer: Answer) -> list[str]:
        """An answer has to name the model that was asked, by any of its names."""
        said = answer.model
        if not self.model or not said or any(_same_model(said, one) for one in self.names()):
            return []
        return [f"the answer is by model {said!r}, though {self.model!r} was asked"]

    def names(self) -> set[str]:
        """All that the model is called."""
        listed = self.listed
        names = {self.model, *(str(listed.get(key) or "") for key in ("id", "path"))}
        names |= {str(one) for one in listed.get("aliases") or ()}
        names |= {str(listed.get(key) or "") for key in ("root", "parent")}
        return names - {""}

    def can(self, capability: str) -> bool | None:
        """Whether the model says that it can; None where the server does not say."""
        told = self.listed.get("capabilities")
        if not isinstance(told, list) or not told:
            return None
        return capability in told


def _asked_to_wait(reply: Reply) -> float | None:
    """Seconds until a server that is busy wants to be asked again."""
    if reply.status not in BUSY:
        return None
    if (told := _seconds(reply.exchange.headers.get("retry-after", ""))) is not None:
        return told
    if reply.status == TOO_MANY:
        text = "HTTP 429 without Retry-After, so no client knows when to ask again"
        raise Fault("wire_format", text, got=reply.exchange.response[:500])
    return None


def _seconds(told: str) -> float | None:
    """Retry-After has a number of seconds, or the time by the server's clock."""
    if told.isdecimal():
        return float(told)
    try:
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _not_in_time(reply: Reply, asked: int, waited: float) -> Fault:
    told = f"asked {asked} times in {waited:.0f} s, the server still says HTTP {reply.status}"
    return Fault("timeout", told, got=answers.error_message(reply) or "")


def _is_loading(reply: Reply) -> bool:
    told = answers.error_message(reply) if reply.status == 503 else None
    return bool(told and _LOADING.search(told))


def _same_model(one: str, other: str) -> bool:
    """Also a dated version (gpt-x-2024-08-06), a tag (gemma:latest) and a path's last part."""
    short, long = sorted((one.lower(), other.lower()), key=len)
    rest = long.removeprefix(short)
    return not rest or (rest != long and rest[0] in "-:@.") or long.endswith(f"/{short}")


def about_calls(answer: Answer) -> None:
    """What a strict reader of its tool calls would trip over."""
    if wrong := [text for text in answer.complaints if "tool call" in text]:
        raise Fault("wire_format", "; ".join(wrong), got=str(answer.calls))


# Runs one round and returns what was seen, for the report. Raises Fault or Skip.
Body = Callable[[Probe], Awaitable[str]]


@dataclass(frozen=True)
class Check:
    """Contract: one failure fails it. Behaviour: `mark` of its rounds have to pass."""

    id: str
    kind: Kind
    run: Body
    title: dict[str, str]
    expected: dict[str, str]
    rounds: int
    mark: float

    @property
    def suite(self) -> str:
        return self.id.partition(".")[0]


@dataclass
class Suite:
    """The checks of one module, in their order. `title` in English and Chinese."""

    name: str
    title: tuple[str, str]
    checks: list[Check] = field(default_factory=list)

    def contract(
        self, name: str, title: tuple[str, str], expected: tuple[str, str], rounds: int = 1
    ) -> Callable[[Body], Body]:
        return self._add("contract", name, title, expected, rounds, 1.0)

    def behaviour(
        self,
        name: str,
        title: tuple[str, str],
        expected: tuple[str, str],
        rounds: int,
        mark: float,
    ) -> Callable[[Body], Body]:
        return self._add("behaviour", name, title, expected, rounds, mark)

    def _add(
        self,
        kind: Kind,
        name: str,
        title: tuple[str, str],
        expected: tuple[str, str],
        rounds: int,
        mark: float,
    ) -> Callable[[Body], Body]:
        def add(body: Body) -> Body:
            self.checks.append(
                Check(
                    id=f"{self.name}.{name}",
                    kind=kind,
                    run=body,
                    title=dict(zip(("en", "zh"), title, strict=True)),
                    expected=dict(zip(("en", "zh"), expected, strict=True)),
                    rounds=rounds,
                    mark=mark,
                )
            )
            return body

        return add


def skip_if_lacking(reply: Reply, what: str) -> None:
    told = answers.error_message(reply)
    if reply.status in LACKING and told is not None:
        raise Skip(f"the server does not take {what}: HTTP {reply.status}: {told[:200]}")


def echo(text: str) -> str:
    """The one prompt that any model can follow."""
    return f"Reply with exactly this and nothing else: {text}"


def exactly(answer: Answer, wanted: str) -> str:
    """The answer is `wanted`; spaces and line ends after it do not count."""
    said = answer.said()
    # What stands before it is the detokenizer's slip; where reasoning was cut out, its line end.
    if said.rstrip() != wanted and not (answer.reasoning and said.strip() == wanted):
        raise Fault("wrong_answer", f"expected exactly {wanted!r}", got=said)
    return said.strip()


def containing(answer: Answer, wanted: str) -> str:
    said = answer.said()
    if wanted not in said:
        raise Fault("wrong_answer", f"{wanted!r} does not stand in the answer", got=said)
    return said.strip()


def text_instead_of_call(answer: Answer) -> Fault:
    """Why there is no tool call: markup in the text, nothing at all, or just text."""
    try:
        answer.clean()
    except Fault as fault:
        return fault
    if not answer.text.strip():
        return answer.empty()
    return Fault("wrong_tool_call", "text instead of a tool call", got=answer.text)
