"""What is wrong with a request is said in words, with the name of what it is about."""

import asyncio

import pytest
from starlette.requests import Request

from mlxd.desk.answers import Refused, read_json
from mlxd.desk.documents.routes import Merge, PathRequest
from mlxd.desk.documents.search import Question


@pytest.mark.parametrize(
    ("kind", "body", "param", "message"),
    [
        (PathRequest, b'{"path": ', None, "The body is no JSON: Input data was truncated."),
        (PathRequest, b"[]", None, "The body: expected an object, got a list."),
        (PathRequest, b"{}", "path", "path is missing."),
        (
            PathRequest,
            b'{"path": "a", "priority": "urgent"}',
            "priority",
            "priority is 'urgent': expected high, normal or low.",
        ),
        (
            Merge,
            b'{"tags": [], "to": "a", "into": "b"}',
            "into",
            "into is no parameter here; tags, to are.",
        ),
        (
            Question,
            b'{"query": "a", "added_after": "yesterday"}',
            "added_after",
            "added_after: expected a number, got a string.",
        ),
        (Question, b'{"query": null}', "query", "query: expected a string, got null."),
        (
            Question,
            b'{"query": "a", "tag": [1]}',
            "tag[0]",
            "tag[0]: expected a string, got a whole number.",
        ),
    ],
)
def test_what_is_wrong_is_said_by_name(
    kind: type, body: bytes, param: str | None, message: str
) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    with pytest.raises(Refused) as refused:
        asyncio.run(read_json(Request({"type": "http", "headers": []}, receive), kind))
    assert (refused.value.param, str(refused.value)) == (param, message)
