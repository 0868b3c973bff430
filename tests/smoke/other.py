"""What the correct server has beside chat: completions, embeddings, probabilities."""

import base64
import hashlib
import json
import math
import struct
from typing import TYPE_CHECKING, Any

from .brain import MODEL, Said, pieces

if TYPE_CHECKING:
    from .fake import Fake


class Other:
    server: "Fake"

    def reply(self, status: int, body: dict[str, Any]) -> None:
        raise NotImplementedError

    def send(self, status: int, kind: str, data: bytes) -> None:
        raise NotImplementedError

    def usage(self, said: Said, *, streamed: bool = False) -> dict[str, int]:
        raise NotImplementedError

    def _logprobs(self, said: Said) -> list[dict[str, Any]]:
        fault = self.server.fault
        found = []
        for piece in pieces(said.content or ""):
            value = 0.5 if fault == "logprob-above-0" else -0.5
            top = [{"token": piece, "logprob": value}, {"token": "?", "logprob": value - 1}]
            found.append({"token": piece, "logprob": value, "bytes": None, "top_logprobs": top})
        return found[1:] if fault == "logprob-lost" else found

    def _complete(self, body: dict[str, Any]) -> None:
        texts = pieces(f" {body['prompt'].split()[1]} is open.")
        shared = {"id": f"cmpl-{self.server.answers}", "object": "text_completion", "created": 1}

        def made(text: str, finish: str | None) -> dict[str, Any]:
            choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
            return shared | {"model": MODEL, "choices": [choice]}

        if not body.get("stream"):
            usage = self.usage(Said(prompt_tokens=5, completion_tokens=len(texts)))
            return self.reply(200, made("".join(texts), "stop") | {"usage": usage})
        if self.server.fault == "completion-stream-differs":
            texts.pop()
        events = [made(text, None) for text in texts] + [made("", "stop")]
        data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events)
        return self.send(200, "text/event-stream", data + b"data: [DONE]\n\n")

    def _embed(self, body: dict[str, Any]) -> None:
        given = body["input"]
        texts = [given] if isinstance(given, str) else given
        fault = self.server.fault
        vectors = [_vector("" if fault == "embeddings-constant" else text) for text in texts]
        if fault == "embeddings-out-of-order":
            vectors.reverse()
        if fault == "embeddings-end-swapped" and len(vectors) > 2:
            vectors[-2:] = vectors[:-3:-1]
        packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _packed(one) if packed else one}
            for index, one in enumerate(vectors)
        ]
        count = sum(len(pieces(text)) for text in texts)
        usage = {"prompt_tokens": count, "total_tokens": count}
        self.reply(200, {"object": "list", "data": data, "model": MODEL, "usage": usage})


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _vector(text: str) -> list[float]:
    raw = [byte / 128 - 1 for byte in hashlib.sha256(text.encode()).digest()]
    length = math.hypot(*raw)
    return [number / length for number in raw]
