"""JSON in and out, and refusals in the shape that all of mlxd answers with."""

import re
from typing import Any, TypeVar, get_args

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
        raise _refused(error, kind) from error


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
        raise _refused(error, kind) from error


_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_EXPECTED = re.compile(r"Expected `(.*)`, got `(.*)`")
_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "a string",
}


def _refused(error: msgspec.DecodeError, kind: type[Any]) -> Refused:
    """What msgspec says of a value, as it is said to who sent it."""
    told = _PLACE.sub("", str(error))
    place = found[1] if (found := _PLACE.search(str(error))) else None
    if not isinstance(error, msgspec.ValidationError):
        return Refused(400, f"The body is no JSON: {told}.", code="invalid_value")
    param = place or None
    if told.startswith("Object contains unknown field"):
        param = told.split("`")[1]
        known = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
        told = f"{param} is no parameter here; {known} are."
    elif told.startswith("Object missing required field"):
        param = told.split("`")[1]
        told = f"{param} is missing."
    elif wrong := _EXPECTED.fullmatch(told):
        wanted, got = (
            " or ".join(_WORDS.get(one, one) for one in side.split(" | ") if one != "null")
            for side in wrong.groups()
        )
        told = f"{place or 'The body'}: expected {wanted}, got {got or 'null'}."
    elif told.startswith("Invalid enum value"):
        types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        *others, last = [str(one) for one in get_args(types.get(place or ""))] or [""]
        known = f"{', '.join(others)} or {last}" if others else "another"
        told = f"{place} is {told.removeprefix('Invalid enum value ')}: expected {known}."
    else:
        told = f"{place}: {told}." if place else f"{told}."
    return Refused(400, told, param=param, code="invalid_value")
