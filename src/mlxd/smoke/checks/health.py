"""The server is there, lists the model, and its answers have the form that clients rely on."""

from ..answer import json_object, refuse_errors
from ..check import Probe, Suite, echo
from ..faults import Fault

suite = Suite("health", ("The server answers", "服务可用"))


@suite.contract(
    "models",
    ("GET /v1/models lists the model", "GET /v1/models 列出该模型"),
    ("a list that names the model", "列表中有该模型"),
)
async def models(probe: Probe) -> str:
    reply = await probe.send("GET", "/v1/models")
    refuse_errors(reply, "GET /v1/models")
    body = json_object(reply)
    data = body.get("data")
    if body.get("object") != "list" or not isinstance(data, list):
        raise Fault("wire_format", "/v1/models is no list object with data")
    names: list[str] = []
    for one in data:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            raise Fault("wire_format", f"an entry of /v1/models without an id: {one}")
        names += [one["id"], *(one.get("aliases") or ()), str(one.get("path") or "")]
    probe.expect(probe.model)
    if not probe.model:
        raise Fault("wire_format", "/v1/models names no model")
    if probe.model not in names:
        listed = ", ".join(name for name in names if name) or "nothing"
        raise Fault("wire_format", f"{probe.model!r} is served but not listed", got=listed)
    return f"{len(data)} listed"


@suite.contract(
    "answer",
    ("An answer has every field of the API", "回答包含 API 规定的全部字段"),
    ("a well-formed chat.completion", "格式正确的 chat.completion"),
)
async def answer(probe: Probe) -> str:
    found = await probe.chat(echo(probe.nonces.code()))
    if found.complaints:
        raise Fault("wire_format", "; ".join(found.complaints))
    if found.content is None and not found.calls:
        raise found.empty()
    return f"finish_reason {found.finish}, usage {found.usage.get('total_tokens')}"
