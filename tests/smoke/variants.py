"""Servers that are correct in another way than the ordinary one: none of them is an alarm."""

import gzip
from email.utils import formatdate
from typing import Any

from .edit import Chunk, Edit, deltas
from .fake import Fake

VARIANTS: dict[str, type[Edit]] = {}


def _variant(kind: type[Edit]) -> type[Edit]:
    VARIANTS[kind.__name__] = kind
    return kind


@_variant
class CarriageReturns(Edit):
    def lines(self, data: bytes) -> bytes:
        return data.replace(b"\n", b"\r\n")


@_variant
class MixedLineEnds(Edit):
    def lines(self, data: bytes) -> bytes:
        return data.replace(b"\n\n", b"\r\n\n", 2).replace(b"}\n\n", b"}\r\r", 1)


@_variant
class Comments(Edit):
    """Keep-alives, event names, ids, and no space after the colon."""

    def lines(self, data: bytes) -> bytes:
        named = data.replace(b"data: {", b": keep-alive\n\nevent: message\nid: 1\ndata:{")
        return b"retry: 100\n:\n\n" + named + b": bye\n\n"


@_variant
class SplitLines(Edit):
    """The JSON of an event over several data lines."""

    def lines(self, data: bytes) -> bytes:
        return data.replace(b', "object"', b',\ndata: "object"')


@_variant
class ContentTypesInCapitals(Edit):
    def kind(self, kind: str) -> str:
        return f'{kind.title()}; Charset="UTF-8"'


@_variant
class OldHttp(Edit):
    protocol = "HTTP/1.0"


@_variant
class ClosesPolitely(Edit):
    def headers(self, status: int, data: bytes) -> dict[str, str]:
        return {"connection": "close"}

    def hangs_up(self) -> bool:
        return True


@_variant
class Compressed(Edit):
    def headers(self, status: int, data: bytes) -> dict[str, str]:
        return {"content-encoding": "gzip"} if data.startswith(b"\x1f\x8b") else {}

    def data(self, data: bytes) -> bytes:
        return gzip.compress(data)


@_variant
class MoreFields(Edit):
    """What strict readers want, and what other servers add."""

    def body(self, answer: dict[str, Any]) -> None:
        answer |= {"system_fingerprint": None, "timings": {"prompt_ms": 1.5}}
        for choice in answer["choices"]:
            choice["logprobs"] = choice.get("logprobs")
            choice["message"] |= {"refusal": None, "annotations": []}
            choice["message"].setdefault("tool_calls", [])
        usage = answer["usage"]
        usage["prompt_tokens_details"] = {"cached_tokens": usage["prompt_tokens"]}

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        for delta in deltas(chunks):
            delta |= {"refusal": None, "reasoning_content": delta.get("reasoning_content")}
            delta.setdefault("content", None)
        for one in chunks:
            if isinstance(one, dict):
                one.setdefault("usage", None)
        return chunks


@_variant
class BusyWithATime(Edit):
    """Every seventh request has to be sent again."""

    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        fake.memory["asked"] = fake.memory.get("asked", 0) + 1
        return (429, "too many requests") if fake.memory["asked"] % 7 == 0 else None

    def headers(self, status: int, data: bytes) -> dict[str, str]:
        return {"retry-after": "0"} if status == 429 else {}


@_variant
class BusyUntilADate(BusyWithATime):
    """The other form of Retry-After."""

    def headers(self, status: int, data: bytes) -> dict[str, str]:
        return {"retry-after": formatdate(usegmt=True)} if status == 429 else {}


@_variant
class Thinks(Edit):
    """Longer than short answers are allowed to be, before each of them."""

    def heard(self, body: dict[str, Any]) -> None:
        body["think"] = 5


@_variant
class DatedModel(Edit):
    def body(self, answer: dict[str, Any]) -> None:
        answer["model"] += "-2026-01-31"
