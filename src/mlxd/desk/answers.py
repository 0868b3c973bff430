"""JSON in and out, and refusals in the shape that all of mlxd answers with."""

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

T = TypeVar("T")


class Refused(Exception):
    """What a client gets instead of an answer."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


def refusal(error: Refused) -> Response:
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    if error.status == 503:
        kind = "service_unavailable"
    told = {"message": str(error), "type": kind, "param": error.param, "code": error.code}
    response = answer({"error": told}, error.status)
    if error.status == 503:
        response.headers["retry-after"] = "2"
    return response


def answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def read_json(request: Request, kind: type[T]) -> T:
    body = await request.body()
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        param = _place(str(error))
        raise Refused(400, f"{error}", param=param, code="invalid_value") from error


def query(request: Request, kind: type[T]) -> T:
    """The query as one of our types; what may be repeated is a list there."""
    given: dict[str, Any] = {}
    fields = {f.encode_name: f.type for f in msgspec.structs.fields(kind)}  # type: ignore[arg-type]
    for key in request.query_params:
        if key not in fields:
            known = ", ".join(fields)
            raise Refused(400, f"{key} is no parameter here; {known} are.", param=key)
        values = request.query_params.getlist(key)
        given[key] = values if "list" in str(fields[key]) else values[-1]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(400, str(error), param=_place(str(error)), code="invalid_value") from error


def _place(told: str) -> str | None:
    """msgspec names the place as `$.field`."""
    _, found, place = told.partition("`$.")
    return place.rstrip("`") if found else None
