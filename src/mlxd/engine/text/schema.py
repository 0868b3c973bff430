"""JSON schemas, made ready for a grammar."""

import json
from typing import Any

# Annotations in JSON Schema, which the grammar compiler would take for promises.
FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
)
# Where these appear, an object may be described in several places, and closing one breaks others.
_SCATTERED = ("allOf", "unevaluatedProperties", "dependentSchemas", "$dynamicRef", " shared")
_ELSEWHERE = ("anyOf", "oneOf", "$ref")
# What makes an object more than an empty one.
_DESCRIBING = ("properties", "patternProperties", "additionalProperties", "anyOf", "oneOf",
               "allOf", "$ref", "required", "minProperties", "propertyNames", "not", "const",
               "enum", "if", "dependentRequired", "dependentSchemas")  # fmt: skip
# Deeper than any schema that someone wrote or a library derived.
MAX_DEPTH = 100


# The compiler reads numbers as doubles, which are exact for whole numbers up to here.
MAX_WHOLE = 2**53


class Unenforceable(ValueError):
    """A grammar can't hold an answer to this schema."""


def _words(schema: Any, depth: int = 0) -> set[str]:
    if depth > MAX_DEPTH:
        raise Unenforceable(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(schema, int) and abs(schema) > MAX_WHOLE:
        raise Unenforceable(f"{schema} is too large to be exact")
    if isinstance(schema, dict):
        nested = (_words(value, depth + 1) for value in schema.values())
        shared = "properties" in schema and any(word in schema for word in _ELSEWHERE)
        return set(schema).union([" shared"] if shared else [], *nested)
    if isinstance(schema, list):
        return set[str]().union(*(_words(value, depth + 1) for value in schema))
    return set()


def _clean(schema: Any, closing: bool) -> Any:
    if not isinstance(schema, dict):
        return schema
    clean: dict[str, Any] = {}
    for word, value in schema.items():
        if word == "x-guidance" or (word == "format" and value not in FORMATS):
            continue
        if word in ("properties", "$defs", "definitions", "patternProperties") and isinstance(
            value, dict
        ):
            value = {name: _clean(part, closing) for name, part in value.items()}
        elif word in ("anyOf", "oneOf", "allOf", "prefixItems") and isinstance(value, list):
            value = [_clean(part, closing) for part in value]
        elif word in ("items", "additionalProperties", "additionalItems"):
            value = _clean(value, closing)
        clean[word] = value
    describes = isinstance(schema.get("properties"), dict) and "patternProperties" not in schema
    if closing and describes:
        clean.setdefault("additionalProperties", False)
    return clean


def prepared(schema: Any) -> Any:
    """The schema, where an object that lists its properties has no others. Whoever wrote it meant
    that, and a model that may invent properties never comes to an end."""
    closing = _words(schema).isdisjoint(_SCATTERED)
    return _clean(schema, closing)


def arguments(parameters: dict[str, Any]) -> dict[str, Any] | None:
    """What a tool's arguments must be; None where it takes none."""
    kinds = parameters.get("type", "object")
    if "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        raise Unenforceable(f"a call's arguments are an object, and this is of type {kinds!r}")
    if not any(parameters.get(word) for word in _DESCRIBING):
        return None
    schema = prepared(parameters)
    return schema if "$ref" in schema else {**schema, "type": "object"}


def text_of(schema: Any) -> str:
    return json.dumps(schema, ensure_ascii=False)
