"""/openapi.json, made from the types that requests are checked against."""

from typing import Any

import msgspec

import mlxd

from . import admin, desk_api, proof, pulls
from .dialects.openai import schema
from .errors import ErrorBody

_TYPES = [
    schema.ChatRequest,
    schema.ChatCompletion,
    schema.CompletionRequest,
    schema.Completion,
    schema.EmbeddingRequest,
    schema.EmbeddingList,
    schema.Model,
    schema.ModelList,
    admin.Assignment,
    pulls.PullRequest,
    proof.ProofRequest,
    ErrorBody,
]
_REFUSALS = {
    "400": "Something in the request is wrong; `param` names it.",
    "401": "A token is needed.",
    "403": "This host or origin may not ask.",
    "404": "There is no such model.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "429": "Too many requests wait already.",
    "500": "A defect here or in the engine; the message is the original one.",
    "503": "The model cannot answer now; Retry-After says when to ask again.",
}


def document() -> dict[str, Any]:
    _, components = msgspec.json.schema_components(
        _TYPES, ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "mlxd", "version": mlxd.__version__},
        "paths": {
            "/v1/chat/completions": _post("ChatRequest", "ChatCompletion", streams=True),
            "/v1/completions": _post("CompletionRequest", "Completion", streams=True),
            "/v1/embeddings": _post("EmbeddingRequest", "EmbeddingList"),
            "/v1/models": _get(_json("ModelList")),
            "/v1/models/{model_id}": _get(_json("Model"), parameters=[_in_path("model_id")]),
            "/health": _get(_OBJECT),
            "/ready": _get(_OBJECT, unready=True),
            "/status": _get(_OBJECT),
            "/metrics": _get({"text/plain": {"schema": {"type": "string"}}}),
            "/doctor": _get(
                _OBJECT, parameters=[_in_query(one) for one in ("only", "skip", "fresh")]
            ),
            "/admin/reload": _act(),
            "/models/pull": {**_get(_LIST), **_act(body="PullRequest", streams=True)},
            "/models/pull/{model_id}": {
                **_get({**_OBJECT, **_EVENTS}, parameters=[_in_path("model_id")]),
                "delete": _act("model_id")["post"],
            },
            "/models/catalogue": _get(_OBJECT),
            "/models/catalogue/{model_id}": {"delete": _act("model_id")["post"]},
            "/logs": _get(_OBJECT),
            "/logs/{name}": _get(
                {**_OBJECT, **_EVENTS},
                parameters=[_in_path("name"), _in_query("lines"), _in_query("follow")],
            ),
            "/events": _get(_EVENTS),
            "/proof": _get(_OBJECT),
            "/proof/run": {
                **_get(_EVENTS),
                **_act(body="ProofRequest", streams=True),
                "delete": _act()["post"],
            },
            "/proof/reports/{id}": {
                **_get(_OBJECT, parameters=[_in_path("id")]),
                "delete": _act("id")["post"],
            },
            "/models/capabilities": _get(_OBJECT),
            "/models/certificates": _get(_OBJECT),
            "/models/global_capability/{capability}": {
                **_get(_OBJECT, parameters=[_in_path("capability")]),
                **_act("capability", body="Assignment"),
            },
            "/models/confirm_capability/{model_id}/{capability}": _act("model_id", "capability"),
            **{f"/engines/{{name}}/{what}": _act("name") for what in admin.CONTROLS},
            **desk_api.paths(_refusals()),
        },
        "components": {"schemas": components},
    }


_DOCTOR = ("only", "skip", "fresh")
_OBJECT: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
_LIST: dict[str, Any] = {
    "application/json": {"schema": {"type": "array", "items": {"type": "object"}}}
}
_EVENTS: dict[str, Any] = {"text/event-stream": {}}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _refusals() -> dict[str, Any]:
    return {
        status: {"description": text, "content": _json("ErrorBody")}
        for status, text in _REFUSALS.items()
    }


def _post(request: str, answer: str, *, streams: bool = False) -> dict[str, Any]:
    content = _json(answer)
    if streams:
        # Each event is a chunk as JSON; the last is the word [DONE], so no schema fits them all.
        content["text/event-stream"] = {}
    return {
        "post": {
            "requestBody": {"required": True, "content": _json(request)},
            "responses": {"200": {"description": "The answer.", "content": content}, **_refusals()},
        }
    }


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string"}}


def _act(*parameters: str, body: str | None = None, streams: bool = False) -> dict[str, Any]:
    content = {**_OBJECT, **_EVENTS} if streams else _OBJECT
    responses = {"200": {"description": "What came of it.", "content": content}, **_refusals()}
    if streams:
        responses["202"] = {"description": "It goes on after this answer.", "content": _OBJECT}
    post: dict[str, Any] = {"parameters": [_in_path(one) for one in parameters]}
    if body:
        post["requestBody"] = {"required": True, "content": _json(body)}
    return {"post": {**post, "responses": responses}}


def _get(
    content: dict[str, Any],
    *,
    parameters: list[dict[str, Any]] | None = None,
    unready: bool = False,
) -> dict[str, Any]:
    responses = {"200": {"description": "What was asked for.", "content": content}, **_refusals()}
    if unready:
        responses["503"] = {"description": "No model can answer yet.", "content": _OBJECT}
    return {"get": {"parameters": parameters or [], "responses": responses}}
