"""From JSON to a request type: a wrong one is refused by the name of what is wrong in it."""

import re
from collections.abc import Hashable, Iterator
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from mlxd.gateway.errors import ApiError, bad

T = TypeVar("T")

_PLACE = re.compile(r"^(.*?)(?: - at `(?:key` in `)?\$\.?(.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_TYPE = re.compile(r"`([a-zA-Z]+(?: \| [a-zA-Z]+)*)`")
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "NoneType": "null",
}
# Parts of a message that OpenAI's API knows and no model here can take.
_UNSERVED_PARTS = {"input_audio", "file", "video_url", "audio_url"}


def decode(kind: type[T], value: Any) -> tuple[T, list[str]]:
    """The request, and the names in it that nobody here knows."""
    if not isinstance(value, dict):
        raise bad("The request's body should be a JSON object.")
    try:
        request = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _explain(str(error), value, kind) from None
    return request, sorted(value.keys() - _fields(kind))  # type: ignore[arg-type]


@cache
def _fields(kind: Hashable) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(cast(Any, kind)))


def _explain(text: str, value: Any, kind: Any) -> ApiError:
    found = _PLACE.match(text)
    assert found is not None
    # A place in an object with keys of the client's own ends at the object.
    what, place = found[1], (found[2] or "").partition("[...]")[0]
    missing = _MISSING.fullmatch(what)
    if missing:
        param = f"{place}.{missing[1]}" if place else missing[1]
        return bad(f"{param} is required.", param, "missing_required_parameter")
    if what.startswith("Invalid "):
        what = _not_one_of(_at(value, place), place, kind)
    else:
        what = _TYPE.sub(_in_words, what)
        what = what[0].lower() + what[1:]
    return bad(f"{place}: {what}.", place or None, "invalid_value")


def _in_words(found: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(name, f"`{name}`") for name in found[1].split(" | "))


def _not_one_of(given: Any, place: str, kind: Any) -> str:
    shown = repr(given)[:80]
    if given in _UNSERVED_PARTS:
        return f"no model here takes {shown} parts"
    components = _components(kind)
    nodes: list[Any] = [components[kind.__name__]]
    for name in _steps(place):
        nodes = [below for node in nodes for below in _below(node, name, components)]
    allowed = {one for node in nodes for one in _enums(node, components)}
    return f"{shown} is not one of {', '.join(map(repr, sorted(allowed)))}"


@cache
def _components(kind: Hashable) -> dict[str, Any]:
    return msgspec.json.schema_components([kind], ref_template="{name}")[1]


def _below(node: Any, name: str, components: dict[str, Any]) -> Iterator[Any]:
    for one in _alternatives(node, components):
        if name in one.get("properties", {}):
            yield one["properties"][name]
        elif "items" in one and name.isdigit():
            yield one["items"]


def _enums(node: Any, components: dict[str, Any]) -> Iterator[str]:
    for one in _alternatives(node, components):
        yield from one.get("enum", ())


def _alternatives(node: Any, components: dict[str, Any]) -> Iterator[Any]:
    """The schemas that a schema stands for, without references and unions."""
    if "$ref" in node:
        yield from _alternatives(components[node["$ref"]], components)
    elif "anyOf" in node:
        for one in node["anyOf"]:
            yield from _alternatives(one, components)
    else:
        yield node


def _steps(place: str) -> list[str]:
    return re.findall(r"[^.\[\]]+", place)


def _at(value: Any, place: str) -> Any:
    """What stands at `messages[0].content[1].type`."""
    for name in _steps(place):
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value
