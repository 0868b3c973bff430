"""Reading a body that may be too large, too slow or cut off, and what JSON it may hold."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from mlxd.gateway.asgi import ClientLeft, Receive, Scope
from mlxd.gateway.errors import ApiError, bad

# Deeper than any schema that a model could follow, and far from every recursion limit on the way.
MAX_DEPTH = 128
# As many tokens as the longest contexts have. Much more would hold up everyone else's streams, and
# a body of nothing but `{},{},…` would take memory many times its own size.
MAX_VALUES = 1_000_000
MAX_OBJECTS = 100_000

# A body that is large may take longer, at the speed of a poor connection.
SLOWEST_BYTES_A_SECOND = 64 * 1024

# To name the place of what is wrong, a body is read once more: not if that would take long.
MOST_TO_NAME = 1024 * 1024

_MIN_INT, _MAX_INT = -(2**63), 2**64 - 1
_MAX_INT_DIGITS = 20
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_OPENING = re.compile(r"[\[{]")


async def read_body(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """The whole body, or an ApiError as soon as it is clear that there will be none."""
    _refuse_coded(scope)
    declared = _content_length(scope)
    if declared is not None and declared > limit:
        raise too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout_at(started + seconds) as limit_at:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                part: bytes = message.get("body", b"")
                size += len(part)
                if size > limit:
                    raise too_large(limit)
                parts.append(part)
                limit_at.reschedule(started + seconds + size / SLOWEST_BYTES_A_SECOND)
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise ApiError(
            408,
            f"The request's body came too slowly: {size} bytes, and then nothing more in time.",
            code="body_timeout",
            close=True,
        ) from None


def _refuse_coded(scope: Scope) -> None:
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            coding = value.decode("latin-1")[:40]
            raise ApiError(
                415,
                f"The body is sent with Content-Encoding {coding!r}; send it as it is.",
                code="unsupported_encoding",
                close=True,
            )


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


def too_large(limit: int, setting: str = "server.body_limit") -> ApiError:
    return ApiError(
        413,
        f"The request's body is over the limit of {limit} bytes (setting {setting}).",
        code="body_too_large",
        close=True,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise bad(f"The JSON body has the key {key[:80]!r} twice in one object.", key[:80])
            seen.add(key)
    return made


class _Unfit(Exception):
    """A number that JSON lacks, or that no later step can carry. Also stands in its place when a
    body is read to find out where that is."""


def _constant(name: str) -> Any:
    raise _Unfit(f"{name} is not a JSON number")


def _integer(text: str) -> int:
    value = int(text) if len(text) <= _MAX_INT_DIGITS else None
    if value is None or not _MIN_INT <= value <= _MAX_INT:
        shown = f"{text[:24]}{'…' * (len(text) > 24)}"
        raise _Unfit(f"the integer {shown} does not fit in 64 bits")
    return value


def _real(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _Unfit(f"the number {text[:24]} is too large")
    return value


def _in_place(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def parsing(text: str) -> Any:
        try:
            return parse(text)
        except _Unfit as unfit:
            return unfit

    return parsing


_decoder = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer, parse_float=_real
)
_finder = json.JSONDecoder(
    parse_constant=_in_place(_constant),
    parse_int=_in_place(_integer),
    parse_float=_in_place(_real),
)


def parse_json(body: bytes) -> Any:
    """What the body says, if it says it in JSON that every later step can carry."""
    if not body:
        raise bad("The request has no body; it should be a JSON object.")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise bad(
            f"The body is not UTF-8: byte {error.start} is {body[error.start]:#04x}."
        ) from None
    if (
        text.count(",") > MAX_VALUES
        or text.count("[") > MAX_OBJECTS
        or text.count("{") > MAX_OBJECTS
    ):
        raise bad(
            f"The body holds more than {MAX_VALUES} values or {MAX_OBJECTS} objects or lists."
        )
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise bad(f"The body is not JSON: {error.msg} at {where}.") from None
    except RecursionError:
        raise _too_deep() from None
    except _Unfit as unfit:
        raise _misplaced(str(unfit), text, lambda one: isinstance(one, _Unfit)) from None
    if len(_OPENING.findall(text)) > MAX_DEPTH or _SURROGATE.search(text):
        _inspect(value, text)
    return value


def _misplaced(told: str, text: str, wrong: Callable[[Any], bool]) -> ApiError:
    """The error, with the place of the first wrong value where the body is small enough."""
    place = None
    if len(text) <= MOST_TO_NAME:
        try:
            place = _place(_finder.decode(text), wrong)
        except (json.JSONDecodeError, RecursionError):
            place = None  # what is wrong further on is not said too
    if place is None:
        return bad(f"The body is not usable JSON: {told}.")
    return bad(f"{place}: {told}.", place, "invalid_value")


def _place(value: Any, wrong: Callable[[Any], bool]) -> str | None:
    """Where the first wrong value stands, as in `messages[0].content`; None at the top."""
    left = [("", value)]
    while left:
        place, one = left.pop()
        if wrong(one):
            return place.encode(errors="replace").decode()[:200] or None
        if isinstance(one, list):
            left += [(f"{place}[{i}]", below) for i, below in reversed(list(enumerate(one)))]
        elif isinstance(one, dict):
            dot = "." if place else ""
            left += [(f"{place}{dot}{key}", below) for key, below in reversed(one.items())]
    return None


def _too_deep() -> ApiError:
    return bad(f"The JSON body is nested deeper than {MAX_DEPTH} levels.")


def _inspect(value: Any, text: str) -> None:
    """Depth, and strings that UTF-8 cannot carry."""
    if not _shallow(value, text, MAX_DEPTH):
        if isinstance(value, dict):
            for key, below in value.items():
                if not _shallow(below, text, MAX_DEPTH - 1):
                    raise bad(f"{key[:80]}: nested deeper than {MAX_DEPTH} levels.", key[:80])
        raise _too_deep()


def _shallow(value: Any, text: str, levels: int) -> bool:
    """Walk the tree without recursion."""
    level = [value]
    for _ in range(levels):
        below: list[Any] = []
        for one in level:
            if _halved(one):
                raise _misplaced("half a surrogate pair stands in a string", text, _halved)
            if isinstance(one, list):
                below.extend(one)
            elif isinstance(one, dict):
                below.extend(one.values())
        if not below:
            return True
        level = below
    return False


def _halved(value: Any) -> bool:
    """A string that UTF-8 cannot carry, or an object with such a key."""
    if isinstance(value, dict):
        return any(_halved(key) for key in value)
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False
