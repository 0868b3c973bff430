"""The environment that chat templates are written for, with bounds."""

import json
from collections.abc import Iterable, Iterator, Sized
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .guard import unescape_marks

# More than any context holds: 16 million characters are about four million tokens.
MAX_RENDERED = 16_000_000
# All loops of one rendering together. A thousand messages of a thousand parts each are a million.
MAX_ROUNDS = 2_000_000

_rounds_left: ContextVar[int] = ContextVar("_rounds_left")


class TemplateRefused(jinja2.TemplateError):
    """The template itself says that it can't render these messages."""


class OutOfBounds(jinja2.TemplateError):
    """Rendering was stopped because it would not end or not fit."""


class _Generation(Extension):
    """{% generation %} marks what an assistant said, for training; here it only shows it."""

    tags = {"generation"}  # noqa: RUF012 - the base class declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Environment(ImmutableSandboxedEnvironment):
    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        self.filters["tojson"] = _to_json
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = _now
        self.filters["counted"] = _counted

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Some templates collect what follows a call; one more item a round stays in bounds."""
        return (isinstance(obj, list) and attr in ("append", "pop")) or super().is_safe_attribute(
            obj, attr, value
        )

    intercepted_binops = frozenset({"*", "**", "%"})

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        for loop in template.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None)
        return template

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise OutOfBounds("powers are not available in chat templates")
        if operator == "*":
            _check_repetition(left, right)
            _check_repetition(right, left)
        if operator == "%" and isinstance(left, str) and len(left) > 1000:
            raise OutOfBounds("the format string is too long")
        return super().call_binop(context, operator, left, right)


def _check_repetition(what: Any, times: Any) -> None:
    if isinstance(what, str | list | tuple) and isinstance(times, int):
        if len(what) * times > MAX_RENDERED:
            raise OutOfBounds(f"a text of {len(what) * times} characters is too long")
    elif isinstance(what, int) and isinstance(times, int) and what.bit_length() > 256:
        raise OutOfBounds("the number is too large")


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # What filters such as `map` make is a list to those who wrote the template.
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys, default=_listed)  # fmt: skip
    return unescape_marks(text) if ensure_ascii else text


def _listed(value: Any) -> list[Any]:
    if isinstance(value, Iterator):
        return list(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _refuse(message: str) -> None:
    raise TemplateRefused(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _counted(items: Iterable[Any]) -> Iterable[Any]:
    """What a loop goes through, charged to this rendering."""
    if isinstance(items, jinja2.Undefined):
        return items
    counted = items if isinstance(items, Sized) else list(items)
    left = _rounds_left.get() - len(counted)
    if left < 0:
        raise OutOfBounds(f"it loops more than {MAX_ROUNDS} times")
    _rounds_left.set(left)
    return counted


def compile_template(source: str) -> jinja2.Template:
    return _Environment().from_string(source)


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > MAX_RENDERED:
            raise OutOfBounds(f"the rendered prompt is over {MAX_RENDERED} characters")
        yield piece


def render_bounded(template: jinja2.Template, variables: dict[str, Any]) -> str:
    _rounds_left.set(MAX_ROUNDS)
    return "".join(_bounded(template.generate(variables)))
