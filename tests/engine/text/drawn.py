"""Answers drawn by a model that takes any token it may."""

import random
from collections.abc import Sequence

import numpy as np

from mlxd.engine.text import Matcher, Piece, Reply, Style, Tokenizer
from mlxd.wire import Message, TextPart, Tool

HELLO = [Message("user", [TextPart("hello")])]
WEATHER = Tool("weather", parameters={
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 9}, "days": {"type": "integer"}},
    "required": ["city"],
})  # fmt: skip
NOW = Tool("now", parameters={"type": "object", "properties": {}})


def allowed(tokenizer: Tokenizer, matcher: Matcher) -> list[int]:
    mask = matcher.mask()
    assert mask is not None
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
    assert not bits[tokenizer.vocabulary :].any()
    return [int(token) for token in np.flatnonzero(bits)]


class Drawn:
    """An answer of random tokens, after what is `said`. It ends where it may, and closes what it
    can after a while."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        style: Style,
        matcher: Matcher,
        seed: int,
        budget: int = 500,
        prompt: str = "",
        blank: bool = False,
        said: Sequence[int] = (),
    ) -> None:
        draw = random.Random(seed)
        reply = Reply(
            tokenizer,
            style,
            prompt=prompt,
            tools=[WEATHER, NOW],
            parse_tools=True,
            constrained=True,
        )
        pieces: list[Piece] = []
        for token in said:
            matcher.advance(token)
            pieces.append(reply.push(token))
        self.tokens: list[int] = []
        self.ended = False
        closing = {tokenizer.token_id(t) for t in ('"', "}", "]", "</think>", "<|end|>")}
        blanks = {t for t in range(tokenizer.vocabulary) if tokenizer.token_text(t).isspace()}
        for place in range(budget):
            may = allowed(tokenizer, matcher)
            assert may, "the grammar leads nowhere"
            ends = [t for t in may if t in tokenizer.eos_ids]
            closes = [t for t in may if t in closing]
            if ends and draw.random() < 0.7:
                self.ended = True
                break
            if blank and (white := [t for t in may if t in blanks]):
                may = white
            elif closes and place > 30:
                may = closes
            else:
                may = [t for t in may if t not in ends] or ends
            token = draw.choice(may)
            if token in ends:
                self.ended = True
                break
            matcher.advance(token)
            self.tokens.append(token)
            pieces.append(reply.push(token))
        ending = reply.finish("stop" if self.ended else "length")
        pieces.append(ending.piece)
        self.finish = ending.finish
        self.text = "".join(p.text for p in pieces)
        self.reasoning = "".join(p.reasoning for p in pieces)
        self.calls: dict[int, tuple[str, str]] = {}
        for delta in (d for p in pieces for d in p.calls):
            name, arguments = self.calls.get(delta.index, ("", ""))
            self.calls[delta.index] = (delta.name or name, arguments + delta.arguments)
