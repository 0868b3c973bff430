"""All reports are made from the one result object, so they agree."""

from collections.abc import Callable

from ..result import Report, to_json
from .html import html
from .junit import junit
from .lines import Lines
from .markdown import failures, markdown
from .terminal import Live, summary
from .texts import Lang, Texts


def _json(report: Report, lang: Lang) -> str:
    return to_json(report).decode() + "\n"


Render = Callable[[Report, Lang], str]
# By the name of the format: the file's ending, and how it is made.
RENDER: dict[str, tuple[str, Render]] = {
    "md": (".md", markdown),
    "html": (".html", html),
    "json": (".json", _json),
    "junit": (".xml", junit),
}

__all__ = ["RENDER", "Lang", "Lines", "Live", "Texts", "failures", "markdown", "summary"]
