"""What /openapi.json says of the desk's endpoints. The desk checks requests itself."""

from typing import Any

Path = dict[str, Any]

_OBJECT = {"application/json": {"schema": {"type": "object"}}}
_EVENTS = {"text/event-stream": {"schema": {"type": "string"}}}
_FILE = {"type": "string", "format": "binary"}
_PRIORITY = {"type": "string", "enum": ["high", "normal", "low"]}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_UPLOAD = {
    "file": {"type": "array", "items": _FILE},
    "source": _STRINGS,
    "tag": _STRINGS,
    "priority": _PRIORITY,
}
_BY_PATH = {"path": {"type": "string"}, "tags": _STRINGS, "priority": _PRIORITY}
_QUESTION = {
    "query": {"type": "string"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
    **dict.fromkeys(("document", "type", "kind", "tag"), _STRINGS),
    **{key: {"type": "number"} for key in ("added_after", "added_before")},
}
_SCAN = {
    "file": _FILE,
    "format": {"type": "string", "enum": ["text", "markdown", "json"]},
    "every_page": {"type": "string", "enum": ["yes", "no"]},
}


def paths(refusals: dict[str, Any]) -> dict[str, Path]:
    def operation(
        *names: str,
        content: dict[str, Any] = _OBJECT,
        query: tuple[str, ...] = (),
        body: dict[str, Any] | None = None,
        status: str = "200",
    ) -> dict[str, Any]:
        missing = {"501": {"description": "mlxd[docs] is not installed."}}
        answer = {"description": "What was asked for.", "content": content}
        given = [
            {"name": one, "in": "path", "required": True, "schema": {"type": "string"}}
            for one in names
        ]
        given += [{"name": one, "in": "query", "schema": {"type": "string"}} for one in query]
        made = {"parameters": given, "responses": {status: answer, **refusals, **missing}}
        return {**made, "requestBody": {"required": True, "content": body}} if body else made

    def form(fields: dict[str, Any]) -> dict[str, Any]:
        return {"multipart/form-data": {"schema": {"type": "object", "properties": fields}}}

    def fields(given: dict[str, Any], *required: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": given, "required": list(required)}
        return {"application/json": {"schema": schema}}

    read = {**_OBJECT, "text/plain": {}, "text/markdown": {}, **_EVENTS}
    listed = ("limit", "after", "tag", "name", "source")
    return {
        "/documents": {
            "get": operation(query=listed),
            "post": operation(status="202", body={**form(_UPLOAD), **fields(_BY_PATH, "path")}),
        },
        "/documents/{id}": {"get": operation("id"), "delete": operation("id")},
        "/documents/{id}/chunks": {"get": operation("id")},
        "/documents/{id}/file": {
            "get": operation("id", content={"application/octet-stream": {"schema": _FILE}})
        },
        "/documents/{id}/images/{revision}/{name}": {
            "get": operation("id", "revision", "name", content={"image/png": {"schema": _FILE}})
        },
        "/documents/{id}/tags": {
            "post": operation("id", body=fields({"tags": _STRINGS}, "tags")),
        },
        "/search": {
            "get": operation(query=tuple(_QUESTION)),
            "post": operation(body=fields(_QUESTION, "query")),
        },
        "/tags": {"get": operation()},
        "/tags/merge": {
            "post": operation(
                body=fields({"tags": _STRINGS, "to": {"type": "string"}}, "tags", "to")
            )
        },
        "/ocr": {"post": operation(content=read, body=form(_SCAN))},
        "/jobs": {"get": operation(query=("limit", "state", "document"))},
        "/jobs/events": {"get": operation(content=_EVENTS, query=("after",))},
        "/jobs/{id}": {"get": operation("id")},
        "/jobs/{id}/events": {"get": operation("id", content=_EVENTS)},
        "/jobs/{id}/priority": {
            "post": operation("id", body=fields({"priority": _PRIORITY}, "priority"))
        },
        **{
            f"/jobs/{{id}}/{what}": {"post": operation("id")}
            for what in ("pause", "resume", "cancel", "retry")
        },
    }
