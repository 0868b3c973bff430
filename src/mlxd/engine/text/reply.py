"""From token ids to what a client may see of them.

Stop strings apply to content, which is what a client sees as the answer: not to reasoning, not to
the arguments of calls. One that begins where a marker could begin too wins over the marker.
"""

import codecs
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from mlxd import wire

from .style import Style
from .tokenizer import Tokenizer
from .triggers import Scan, Triggers


@dataclass(slots=True)
class Piece:
    """What one token brought. `stopped`: it completed a stop string, generation ends here."""

    text: str = ""
    reasoning: str = ""
    calls: list[wire.CallDelta] = field(default_factory=list)
    stopped: bool = False


@dataclass(slots=True)
class Ending:
    """What was still held back, and how the answer ended."""

    piece: Piece
    finish: wire.Finish
    why: wire.Why


@lru_cache(maxsize=64)
def _triggers(strings: tuple[str, ...]) -> Triggers:
    return Triggers(strings)


class Reply:
    """One answer. A pure function of the prompt and the tokens pushed, so that pushing what an
    earlier engine generated brings a new one into the same state."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        style: Style,
        *,
        prompt: str = "",
        stop: list[str] | None = None,
        tools: list[wire.Tool] | None = None,
        parse_tools: bool = False,
        constrained: bool = False,
    ) -> None:
        self._tokenizer = tokenizer
        self._style = style
        self._constrained = constrained
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._first = True
        self._stops = frozenset(stop or ())
        self._reasoning = style.opened_by(prompt)
        self._may_think = style.think is not None and not self._reasoning
        self._content = Scan(_triggers((*self._stops, *(style.think[:1] if style.think else ()))))
        self._thought = Scan(_triggers(style.think[1:] if style.think else ()))
        self._blank = ""
        self._trim = self._reasoning
        self._stopped = False
        self._any_text = self._any_reasoning = self._any_call = False
        self.reasoning_tokens = 0
        shown = (tokenizer.token_id(marker) for marker in style.markers)
        self._silent = (tokenizer.specials | tokenizer.eos_ids).difference(shown)

    def push(self, token: int) -> Piece:
        piece = Piece()
        if self._stopped:
            return piece
        self.reasoning_tokens += self._reasoning
        if token in self._silent:
            return piece
        data = self._tokenizer.token_bytes(token)
        if self._first:
            self._first = False
            if self._tokenizer.strips_first_space:
                data = data.removeprefix(b" ")
        if text := self._utf8.decode(data):
            self._read(text, piece)
        return piece

    def finish(self, reason: Literal["stop", "length"]) -> Ending:
        piece = Piece()
        if not self._stopped:
            if text := self._utf8.decode(b"", final=True):
                self._read(text, piece)
            if not self._stopped:
                self._flush(piece)
        finish: wire.Finish = "tool_calls" if self._any_call and reason == "stop" else reason
        return Ending(piece, finish, self._why(reason))

    def _why(self, reason: str) -> wire.Why:
        if self._any_text or self._any_call:
            return ""
        if reason == "length":
            return "budget_in_reasoning" if self._any_reasoning or self._reasoning else ""
        if self._stopped:
            return "stop_sequence_first"
        if self._any_reasoning:
            return ""
        return "grammar" if self._constrained else "end_of_sequence_first"

    def _read(self, text: str, piece: Piece) -> None:
        while text:
            if self._reasoning:
                text = self._read_reasoning(text, piece)
            else:
                text = self._read_content(text, piece)

    def _read_reasoning(self, text: str, piece: Piece) -> str:
        free, end, rest = self._thought.feed(text)
        self._show_reasoning(free, piece)
        if end is not None:
            self._reasoning, self._blank, self._trim = False, "", True
        return rest

    def _read_content(self, text: str, piece: Piece) -> str:
        free, hit, rest = self._content.feed(text)
        if self._trim:
            free = free.lstrip()
            self._trim = not free and hit is None
        self._show(free, piece)
        if hit is None:
            return ""
        if hit in self._stops:
            self._show("", piece, final=True)
            self._stopped = piece.stopped = True
            return ""
        if self._may_think and not self._any_text:
            self._may_think, self._reasoning, self._blank, self._trim = False, True, "", True
            return rest
        self._show(hit, piece)
        return rest

    def _show(self, text: str, piece: Piece, *, final: bool = False) -> None:
        """Content, with blanks held while reasoning could still begin after them."""
        text = self._blank + text
        self._blank = ""
        if self._may_think and not self._any_text and not final and not text.strip():
            self._blank = text
        elif text:
            self._any_text = True
            piece.text += text

    def _show_reasoning(self, text: str, piece: Piece) -> None:
        """Reasoning, without the blanks around it."""
        if self._trim:
            text = text.lstrip()
            self._trim = not text
        text = self._blank + text
        shown = text.rstrip()
        self._blank = text[len(shown) :]
        if shown:
            self._any_reasoning = True
            piece.reasoning += shown

    def _flush(self, piece: Piece) -> None:
        if self._reasoning:
            self._show_reasoning(self._thought.flush(), piece)
        else:
            held = self._content.flush()
            self._show(held.lstrip() if self._trim else held, piece, final=True)
