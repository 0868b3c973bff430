"""The older endpoint, which editors still use."""

from typing import Any

from ..answer import json_object, loads, refuse_errors, usage_complaints
from ..check import Probe, Suite
from ..faults import Fault, Skip
from ..server import Reply
from ..stream import DONE, events

suite = Suite("completions", ("Plain completions", "文本补全"))

PATH = "/v1/completions"
TOKENS = 12


async def _complete(probe: Probe, **more: Any) -> Reply:
    body: dict[str, Any] = {
        "model": probe.model or None,
        "prompt": f"The {probe.nonces.choice(('lamp', 'kettle'))} and the {probe.nonces.word()}",
        "max_tokens": TOKENS,
        "temperature": 0,
    }
    sent = {name: value for name, value in (body | more).items() if value is not None}
    reply = await probe.send("POST", PATH, sent)
    if reply.status in (404, 405, 501):
        raise Skip(f"the server has no completions: HTTP {reply.status} at {PATH}")
    refuse_errors(reply)
    return reply


@suite.contract(
    "same",
    ("A completion, whole and as a stream", "文本补全：整体与流式"),
    ("the same text, usage, and a finish_reason", "文本相同，含用量与 finish_reason"),
)
async def same(probe: Probe) -> str:
    prompt = f"The code of the {probe.nonces.word()} is {probe.nonces.code()}. The code of the"
    body = json_object(await _complete(probe, prompt=prompt))
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    text, finish = first.get("text"), first.get("finish_reason")
    if not isinstance(text, str):
        raise Fault("wire_format", "the answer has no choices[0].text")
    if body.get("object") != "text_completion":
        raise Fault("wire_format", f"object is {body.get('object')!r}, not 'text_completion'")
    if finish not in ("stop", "length"):
        raise Fault("wire_format", f"finish_reason is {finish!r}")
    if wrong := usage_complaints(body.get("usage")):
        raise Fault("wire_format", "; ".join(wrong))
    probe.expect(text)
    reply = await _complete(probe, prompt=prompt, stream=True)
    found, _ = events(reply)
    if not found or found[-1][1] != DONE:
        raise Fault("wire_format", "the stream has no [DONE] at its end")
    chunks = [loads(data) for _, data in found if data != DONE]
    parts = [one for chunk in chunks for one in chunk.get("choices") or ()]
    streamed = "".join(str(one.get("text") or "") for one in parts)
    if streamed != text:
        told = "the same request at temperature 0 has another text when it is streamed"
        raise Fault("wire_format", told, got=streamed)
    if [one["finish_reason"] for one in parts if one.get("finish_reason")] != [finish]:
        raise Fault("wire_format", "finish_reason differs between the stream and the whole answer")
    return text.strip()
