"""From JSON to a request type: a wrong one is refused by the name of what is wrong in it."""

import re
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from mlxd.gateway.errors import ApiError, bad

T = TypeVar("T")

_PLACE = re.compile(r"^(.*?)(?: - at `(?:key` in `)?\$\.?(.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_TYPE = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
# A part of a message that OpenAI's API knows and no model here can take.
_UNSERVED_PARTS = {"input_audio", "file", "video_url", "audio_url"}


@cache
def _fields(kind: Hashable) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(cast(Any, kind)))


def decode(kind: type[T], value: Any) -> tuple[T, list[str]]:
    """The request, and the names in it that nobody here knows."""
    if not isinstance(value, dict):
        raise bad("The request's body should be a JSON object.")
    try:
        request = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error), value) from None
    return request, sorted(value.keys() - _fields(kind))  # type: ignore[arg-type]


def _explain(text: str, value: Any) -> ApiError:
    found = _PLACE.match(text)
    assert found is not None
    what, place = found[1], found[2] or ""
    missing = _MISSING.fullmatch(what)
    if missing:
        param = f"{place}.{missing[1]}" if place else missing[1]
        return bad(f"{param} is required.", param, "missing_required_parameter")
    if place.endswith(".type") and _at(value, place) in _UNSERVED_PARTS:
        return bad(f"{place}: no model here takes {_at(value, place)!r} parts.", place)
    return bad(f"{place}: {_TYPE.sub(_in_words, what)}.", place or None, "invalid_value")


def _in_words(found: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(name, f"`{name}`") for name in found[1].split(" | "))


def _at(value: Any, place: str) -> Any:
    """What stands at `messages[0].content[1].type`."""
    step: Callable[[Any, str], Any] = lambda at, name: (  # noqa: E731
        at[int(name)] if isinstance(at, list) else at.get(name)
    )
    try:
        for name in re.findall(r"[^.\[\]]+", place):
            value = step(value, name)
    except (AttributeError, ValueError, IndexError):
        return None
    return value if isinstance(value, str) else None
