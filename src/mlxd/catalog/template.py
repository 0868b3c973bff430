"""Whether a chat template can be read at all: one that can't ends its engine at the start. Nothing
of it is executed."""

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def problem(sources: Iterable[str]) -> str | None:
    """Why the first of them that can't be read can't."""
    import jinja2

    for source in sources:
        try:
            _environment().parse(source)
        except jinja2.TemplateSyntaxError as error:
            return f"its chat template is broken ({error.message}, line {error.lineno})"
        except RecursionError:
            return "its chat template is nested too deeply"
    return None


@functools.cache
def _environment() -> "Environment":
    """With the tags that the engine's own has. Imported late: few who ask for a name need it."""
    from jinja2 import Environment, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012 - the base class declares it so

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return Environment(extensions=[Generation, loopcontrols])
