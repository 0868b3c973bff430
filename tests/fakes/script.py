"""What the fake engine says to a request: a pure function of its input.

The answer echoes the last message word by word, unless the prompt (or a --script for all requests)
carries directives, each in double square brackets:

  [[tokens N]]          N words "w0 w1 …" instead of the echo
  [[reason N]]          N words of reasoning first
  [[call NAME {json}]]  a tool call, its arguments in pieces; finish_reason is tool_calls
  [[why WHY]]           finish at once, empty, for that reason
  [[wait SECONDS]]      nothing before the first token for that long (a long prefill)
  [[die K]]             SIGKILL itself at the request's K-th token, also when resumed (poison)
  [[die-once K]]        the same, but not when the request is resumed or resubmitted to a successor
  [[exit K]]            exit with status 3 at the K-th token
  [[hang K]]            stop all work and the heartbeat at the K-th token; the process stays
  [[stop-self K]]       SIGSTOP itself at the K-th token
  [[raise K]]           Failed at the K-th token, blame engine, and go on with the others
  [[raise-all K]]       the same for every request that runs
  [[fail BLAME CODE]]   refuse before the first token; blame is client, memory or engine
  [[malformed K]]       send bytes that are no frame at the K-th token
  [[half K]]            send half a frame at the K-th token and exit
  [[stranger K]]        send an event for a request that nobody made before the K-th token
  [[lost K]]            say nothing more for this request from the K-th token on, but work on
  [[lost-once K]]       the same, but not when the request is resumed
  [[drop K]]            forget this request at the K-th token, without a word
  [[drop-once K]]       the same, but not when the request is resumed
  [[yield K SECONDS]]   give way at the K-th token for that long, as a row without memory does
  [[deaf]]              read no more frames
"""

import json
import re
import zlib
from dataclasses import dataclass, field

from mlxd import wire

VOCABULARY = 50_000
PIECES_A_CALL = 3
_DIRECTIVE = re.compile(r"\[\[([a-z-]+)((?:[^\]]|\](?!\]))*)\]\]")
_WORD = re.compile(r"\s*\S+|\s+$")


@dataclass
class Piece:
    """One token: its text goes to `kind`."""

    kind: str
    text: str = ""
    call: wire.CallDelta | None = None

    @property
    def id(self) -> int:
        return zlib.crc32(f"{self.kind}{self.text}{self.call}".encode()) % VOCABULARY


@dataclass
class Script:
    pieces: list[Piece]
    prompt_tokens: int
    finish: wire.Finish = "stop"
    why: wire.Why = ""
    wait: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    refuse: tuple[str, str] | None = None
    deaf: bool = False
    yields: tuple[int, float] | None = None


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def texts(given: wire.Input) -> list[str]:
    if isinstance(given, wire.Text):
        return [given.text]
    if isinstance(given, wire.Tokens):
        return [" ".join(f"t{token}" for token in given.ids)]
    return [
        "".join(
            part.text if isinstance(part, wire.TextPart) else f"<image of {len(part.data)} bytes>"
            for part in message.content
        )
        for message in given.messages
    ]


def script(given: wire.Input, always: str = "") -> Script:
    prompt = texts(given)
    last = prompt[-1] if prompt else ""
    directives = [(m[1], m[2].strip()) for m in _DIRECTIVE.finditer(always + last)]
    answer = [Piece("text", word) for word in words(_DIRECTIVE.sub("", last).strip())]
    made = Script(answer, prompt_tokens=sum(len(words(text)) for text in prompt))
    calls: list[Piece] = []
    reasoning: list[Piece] = []
    for name, rest in directives:
        if name == "tokens":
            made.pieces = [Piece("text", f"w{i} ") for i in range(int(rest))]
        elif name == "reason":
            reasoning = [Piece("reasoning", f"r{i} ") for i in range(int(rest))]
        elif name == "call":
            calls += _call(
                rest, index=sum(piece.call.name is not None for piece in calls if piece.call)
            )
        elif name == "why":
            made.pieces, made.why = [], rest  # type: ignore[assignment]
        elif name == "wait":
            made.wait = float(rest)
        elif name == "fail":
            blame, _, code = rest.partition(" ")
            made.refuse = (blame, code)
        elif name == "deaf":
            made.deaf = True
        elif name == "yield":
            at, _, seconds = rest.partition(" ")
            made.yields = (int(at), float(seconds))
        else:
            made.faults[name] = int(rest)
    if calls:
        made.finish = "tool_calls"
    made.pieces = reasoning + made.pieces + calls
    return made


def _call(rest: str, index: int) -> list[Piece]:
    name, _, arguments = rest.partition(" ")
    arguments = arguments.strip() or "{}"
    json.loads(arguments)
    middle = len(arguments) // 2
    return [
        Piece("call", call=wire.CallDelta(index, name)),
        Piece("call", call=wire.CallDelta(index, None, arguments[:middle])),
        Piece("call", call=wire.CallDelta(index, None, arguments[middle:])),
    ]
