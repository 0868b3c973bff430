"""From token ids to what a client may see of them.

Stop strings apply to content, which is what a client sees as the answer: not to reasoning, not to
the arguments of calls. One that is part of a marker wins over the marker.
"""

import codecs
from typing import Literal

from mlxd import wire

from .harmony import Harmony
from .marked import Marked
from .piece import Ending, Piece, Plan, Reader
from .style import Style
from .tokenizer import Tokenizer


class Reply:
    """One answer. A pure function of the prompt and the tokens pushed, so that pushing what an
    earlier engine generated brings a new one into the same state.

    `constrained`: a grammar decides which tokens are possible. Without `parallel` the reply stops
    after one call. `must_call`: and it allows only calls. `goes_on`: it continues the prompt's own
    text, so that a blank at its beginning belongs there.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        style: Style,
        *,
        prompt: str = "",
        stop: list[str] | None = None,
        tools: list[wire.Tool] | None = None,
        parse_tools: bool = False,
        parallel: bool = True,
        constrained: bool = False,
        must_call: bool = False,
        goes_on: bool = False,
    ) -> None:
        self._tokenizer = tokenizer
        self._constrained = constrained
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        # What a grammar asks for is meant to the character.
        self._first = tokenizer.strips_first_space and not (constrained or goes_on)
        self._silent = tokenizer.silent(style.markers)
        known = {tool.name: tool for tool in tools or ()} if parse_tools else {}
        plan = Plan(style, frozenset(filter(None, stop or ())), known, parallel, must_call)
        self._reader: Reader = (
            Harmony(plan)
            if style.calls is not None and style.calls.name == "harmony"
            else Marked(plan, reasoning=style.opened_by(prompt))
        )
        self.reasoning_tokens = 0

    def push(self, token: int) -> Piece:
        piece = Piece()
        reader = self._reader
        if reader.stopped:
            return piece
        if reader.reasoning:
            self.reasoning_tokens += 1
        if token in self._silent:
            return piece
        data = self._tokenizer.token_bytes(token)
        if self._first:
            self._first = False
            data = data.removeprefix(b" ")
        if text := self._utf8.decode(data):
            reader.read(text, piece)
        return piece

    def finish(self, reason: Literal["stop", "length"]) -> Ending:
        piece, reader = Piece(), self._reader
        if not reader.stopped:
            reader.read(self._utf8.decode(b"", final=True), piece)
        cut_in_reasoning = reader.reasoning and reason == "length"
        if not reader.stopped:
            reader.finish(piece, whole=reason == "stop")
        finish: wire.Finish = "tool_calls" if reader.called and reason == "stop" else reason
        return Ending(piece, finish, self._why(reason, cut_in_reasoning))

    def _why(self, reason: str, cut_in_reasoning: bool) -> wire.Why:
        reader = self._reader
        if reader.said or reader.called:
            return ""
        if reason == "length":
            if reader.cut_in_call:
                return "budget_in_call"
            return "budget_in_reasoning" if cut_in_reasoning or reader.thought else ""
        if reader.stopped:
            return "stop_sequence_first"
        if reader.thought:
            return ""
        return "grammar" if self._constrained else "end_of_sequence_first"
