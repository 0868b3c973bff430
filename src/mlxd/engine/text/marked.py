from functools import lru_cache

from .calls import Section
from .piece import Piece, Plan, Reader
from .triggers import Scan, Triggers


@lru_cache(maxsize=64)
def triggers(strings: tuple[str, ...]) -> Triggers:
    return Triggers(strings)


class Marked(Reader):
    """Reasoning and calls stand between markers, the rest is content.

    Blanks around markers belong to neither side: they are held until it is known what follows.
    """

    def __init__(self, plan: Plan, *, reasoning: bool) -> None:
        super().__init__(plan)
        think = plan.style.think
        calls = plan.style.calls if plan.tools else None
        self._openings = calls.openings if calls else {}
        self.reasoning = self._trim = reasoning
        self._may_think = think is not None and not reasoning
        begin, end = think or ("", "")
        wanted = (begin, *sorted(plan.stops), *self._openings)
        self._content = Scan(triggers(wanted))
        self._thought = Scan(triggers((end,)))
        self._section: Section | None = None
        self._blank = ""

    def _some(self, text: str, piece: Piece) -> str:
        if self.reasoning:
            return self._reasoning(text, piece)
        if self._section is not None:
            return self._call(text, piece)
        return self._saying(text, piece)

    def finish(self, piece: Piece, *, whole: bool) -> None:
        if self.reasoning:
            self._think(self._thought.flush(), piece)
            return
        while self._section is not None:
            section = self._section
            left = section.finish(whole=whole)
            if section.cut and (self._plan.must_call or not section.opening.first):
                self._take_calls(section, piece)
                self.cut_in_call = True
                return
            self.read(self._after(left, piece), piece)
            if self.stopped:
                return
        if self._plan.must_call and not whole:
            self.cut_in_call = True
            return
        self._say(self._content.flush(), piece, last=True)

    def _reasoning(self, text: str, piece: Piece) -> str:
        free, end, rest = self._thought.feed(text)
        self._think(free, piece)
        if end is not None:
            self.reasoning, self._blank, self._trim = False, "", True
        return rest

    def _think(self, text: str, piece: Piece) -> None:
        if self._trim:
            text = text.lstrip()
            self._trim = not text
        text = self._blank + text
        shown = text.rstrip()
        self._blank = text[len(shown) :]
        if shown:
            self.thought = True
            piece.reasoning += shown

    def _saying(self, text: str, piece: Piece) -> str:
        free, hit, rest = self._content.feed(text)
        self._say(free, piece)
        if hit is None:
            return ""
        if hit in self._plan.stops:
            if not (self._trim and not hit.strip()):
                self._say("", piece, last=True)
                return self._stop(piece)
        elif (opening := self._openings.get(hit)) is not None:
            if not opening.first or not self.said:
                self._section = Section(opening, hit, self._sink())
                return rest or self._call("", piece)
        elif self._may_think and not self.said:
            self._may_think, self._blank = False, ""
            self.reasoning = self._trim = True
            return rest
        self._say(hit, piece)
        return rest

    def _say(self, text: str, piece: Piece, *, last: bool = False) -> None:
        if self._trim:
            text = text.lstrip()
            self._trim = not text
        text = self._blank + text
        shown = text
        if not last:
            if self._openings:
                shown = text.rstrip()
            elif self._may_think and not self.said and text.isspace():
                shown = ""
        self._blank = text[len(shown) :]
        if shown:
            self.said = True
            piece.text += shown

    def _call(self, text: str, piece: Piece) -> str:
        assert self._section is not None  # the caller looked
        left = self._section.feed(text)
        if left is None:
            self._take_calls(self._section, piece)
            return ""
        return self._after(left, piece)

    def _after(self, left: str, piece: Piece) -> str:
        """What follows the section, whose text may not have been a call at all."""
        section, self._section = self._section, None
        assert section is not None  # the caller looked
        self._take_calls(section, piece)
        if section.sink.used:
            self._blank, self._trim = "", True
            return left if self._plan.parallel else self._stop(piece)
        self._say(section.marker, piece)
        return left[len(section.marker) :]
