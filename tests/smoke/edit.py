"""How a mutant changes what the correct server sends: nothing, unless a subclass says so."""

import json
from typing import TYPE_CHECKING, Any

from .brain import MODEL

if TYPE_CHECKING:
    from .fake import Fake

DONE = "[DONE]"
Chunk = dict[str, Any] | str


class Edit:
    # In HTTP/1.0 the end of the connection is the end of the answer.
    protocol = "HTTP/1.1"
    # Before /v1, instead of /v1, the models that it lists, and the key that it asks for.
    root = ""
    version = "/v1"
    names: tuple[str, ...] = (MODEL,)
    key = ""

    def refuse(self, fake: "Fake") -> tuple[int, str] | None:
        """A status and a message instead of an answer."""
        return None

    def heard(self, body: dict[str, Any]) -> None:
        """A request, before anything is made of it."""

    def headers(self, status: int, data: bytes) -> dict[str, str]:
        return {}

    def kind(self, kind: str) -> str:
        """The content type."""
        return kind

    def hangs_up(self) -> bool:
        """After an answer that said nothing of it."""
        return False

    def reply(self, path: str, status: int, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What is no answer of a chat: lists, vectors, errors."""
        return status, body

    def body(self, answer: dict[str, Any]) -> None:
        """A whole answer, before it is sent."""

    def data(self, data: bytes) -> bytes:
        """The bytes of a whole answer."""
        return data

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        """The events of a stream."""
        return chunks

    def lines(self, data: bytes) -> bytes:
        """The bytes of a stream."""
        return data

    def stream(self, events: list[bytes]) -> list[bytes]:
        kind = type(self)
        if kind.chunks is not Edit.chunks:
            joined = b"".join(events).decode().split("\n\n")
            found = [_read(text.removeprefix("data: ")) for text in joined if text]
            events = [_event(one) for one in self.chunks(found)]
        return [self.lines(b"".join(events))] if kind.lines is not Edit.lines else events


def _read(text: str) -> Chunk:
    return text if text == DONE else dict(json.loads(text))


def _event(chunk: Chunk) -> bytes:
    text = chunk if isinstance(chunk, str) else json.dumps(chunk, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def deltas(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """Every delta of every choice."""
    made = [choice for one in chunks if isinstance(one, dict) for choice in one["choices"]]
    return [choice["delta"] for choice in made]
