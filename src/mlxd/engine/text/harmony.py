import re

from .calls import Opening, Section
from .calls.cursor import Cursor, Reading
from .calls.cursor import Reader as CallReader
from .calls.formats import HARMONY
from .calls.json_calls import arguments
from .marked import triggers
from .piece import Piece, Plan, Reader
from .triggers import Scan

_RECIPIENT = re.compile(r"to=(?:functions\.)?([\w.-]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_HEADS = ("<|", " to=")
_ENDS = tuple(marker for marker in HARMONY if marker not in ("<|message|>", "<|constrain|>"))


def _calling(name: str) -> CallReader:
    def read(cursor: Cursor) -> Reading[None]:
        cursor.begin(name)
        yield from cursor.blank()
        yield from arguments(cursor)
        cursor.end()

    return read


class Harmony(Reader):
    """gpt-oss speaks in messages, each with a header that names its channel: analysis is
    reasoning, one addressed to a function is a call, anything else is content."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._header: str | None = ""
        self._scan = Scan(triggers(("<|message|>",)))
        self._section: Section | None = None

    def _some(self, text: str, piece: Piece) -> str:
        return self._read_header(text) if self._header is not None else self._read_body(text, piece)

    def _read_header(self, text: str) -> str:
        assert self._header is not None  # the caller looked
        seen = self._header + self._scan.held + text
        if not any(head.startswith(seen[: len(head)]) for head in _HEADS):
            self._begin("")
            return seen
        free, end, rest = self._scan.feed(text)
        self._header += free
        if end is not None:
            self._begin(self._header)
        return rest

    def _begin(self, header: str) -> None:
        self._header = None
        channel, recipient = _CHANNEL.search(header), _RECIPIENT.search(header)
        self.reasoning = channel is not None and channel[1] == "analysis" and recipient is None
        stops = () if self.reasoning else sorted(self._plan.stops)
        if recipient is not None and recipient[1] in self._plan.tools:
            stops = ()
            opening = Opening(_calling(recipient[1]))
            self._section = Section(opening, "", self._sink())
        self._scan = Scan(triggers((*_ENDS, *stops)))

    def _read_body(self, text: str, piece: Piece) -> str:
        free, end, rest = self._scan.feed(text)
        self._show(free, piece)
        if end is None:
            return ""
        if end in self._plan.stops and not self.reasoning and self._section is None:
            return self._stop(piece)
        self._end_body(piece, whole=True)
        self._header = "" if end == "<|end|>" else end
        self._scan = Scan(triggers(("<|message|>",)))
        if self.called and not self._plan.parallel:
            return self._stop(piece)
        return rest

    def _show(self, text: str, piece: Piece) -> None:
        if self._section is not None:
            self._section.feed(text)
            self._take_calls(self._section, piece)
        elif text and self.reasoning:
            self.thought = True
            piece.reasoning += text
        elif text:
            self.said = True
            piece.text += text

    def _end_body(self, piece: Piece, *, whole: bool) -> None:
        if self._section is not None:
            self._section.finish(whole=whole)
            self._take_calls(self._section, piece)
        self._section, self.reasoning = None, False

    def finish(self, piece: Piece, *, whole: bool) -> None:
        if self._header is None:
            self._show(self._scan.flush(), piece)
            self._end_body(piece, whole=whole)
