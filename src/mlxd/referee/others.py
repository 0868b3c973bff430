"""Plain completions and embeddings, straight at the engine."""

import base64
import json
import secrets
import struct
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlxd import wire

from .refused import Refused, refusal

if TYPE_CHECKING:
    from .straight import Straight

NUMBER_BYTES = 4


def others(engine: "Straight") -> list[Route]:
    async def complete(request: Request) -> Response:
        asked = await request.json()
        try:
            seed = asked.get("seed") or secrets.randbits(31)
            events = [one async for one in engine.events(asked, seed)]
        except Refused as refused:
            return refusal(refused)
        base = {"id": f"cmpl-{secrets.token_hex(8)}", "object": "text_completion", "created": 1}
        base["model"] = engine.model

        def made(text: str, finish: str | None) -> dict[str, Any]:
            return base | {"choices": [{"index": 0, "text": text, "finish_reason": finish}]}

        if not asked.get("stream"):
            text = "".join(event.text for event in events)
            return JSONResponse(made(text, events[-1].finish) | {"usage": usage_of(events[-1:])})
        data = [json.dumps(made(event.text, event.finish)) for event in events]
        lines = "".join(f"data: {one}\n\n" for one in [*data, "[DONE]"])
        return Response(lines, media_type="text/event-stream")

    async def embed(request: Request) -> Response:
        asked = await request.json()
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        try:
            found = await engine.embed(texts)
        except Refused as refused:
            return refusal(refused)
        vectors: list[Any] = [
            base64.b64encode(one).decode()
            if asked.get("encoding_format") == "base64"
            else struct.unpack(f"<{len(one) // NUMBER_BYTES}f", one)
            for one in found.vectors
        ]
        data = [{"index": place, "embedding": one} for place, one in enumerate(vectors)]
        used = {"prompt_tokens": found.prompt_tokens, "total_tokens": found.prompt_tokens}
        return JSONResponse({"object": "list", "data": data, "usage": used})

    return [
        Route("/v1/completions", complete, methods=["POST"]),
        Route("/v1/embeddings", embed, methods=["POST"]),
    ]


def usage_of(ends: list[wire.Event]) -> dict[str, int]:
    used = [event.usage for event in ends if event.usage]
    prompt, completion = max((one.prompt for one in used), default=0), 0
    completion = sum(one.completion for one in used)
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
