from dataclasses import dataclass, field

from mlxd import wire

from .calls import Section, Sink
from .style import Style


@dataclass(slots=True)
class Piece:
    """What one token brought. `stopped`: it completed a stop string, generation ends here."""

    text: str = ""
    reasoning: str = ""
    calls: list[wire.CallDelta] = field(default_factory=list)
    stopped: bool = False

    def add_calls(self, deltas: list[wire.CallDelta]) -> None:
        for delta in deltas:
            last = self.calls[-1] if self.calls else None
            if last is not None and delta.name is None and last.index == delta.index:
                joined = last.arguments + delta.arguments
                self.calls[-1] = wire.CallDelta(last.index, last.name, joined)
            else:
                self.calls.append(delta)


@dataclass(slots=True)
class Ending:
    """What was still held back, and how the answer ended."""

    piece: Piece
    finish: wire.Finish
    why: wire.Why


@dataclass(frozen=True)
class Plan:
    """What to look for in a reply. `tools`: by name, empty where calls stay text. `must_call`: a
    grammar lets nothing else be said."""

    style: Style
    stops: frozenset[str]
    tools: dict[str, wire.Tool]
    parallel: bool
    must_call: bool = False


class Reader:
    """Sorts a reply's text into content, reasoning and calls, and knows what it has seen."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.reasoning = False
        self.stopped = False
        self.said = self.thought = self.cut_in_call = False
        self.called = 0

    def read(self, text: str, piece: Piece) -> None:
        while text and not self.stopped:
            text = self._some(text, piece)

    def _some(self, text: str, piece: Piece) -> str:
        """Read on, and return what is still to read."""
        raise NotImplementedError

    def finish(self, piece: Piece, *, whole: bool) -> None:
        raise NotImplementedError

    def _sink(self) -> Sink:
        return Sink(self._plan.tools, self.called, None if self._plan.parallel else 1)

    def _take_calls(self, section: Section, piece: Piece) -> None:
        piece.add_calls(section.sink.deltas)
        section.sink.deltas.clear()
        self.called = section.sink.index + section.sink.open

    def _stop(self, piece: Piece) -> str:
        self.stopped = piece.stopped = True
        return ""
