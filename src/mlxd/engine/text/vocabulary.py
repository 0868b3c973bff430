"""What the grammars' compiler wants to know of a tokenizer: tokens as bytes, and bytes as tokens.

Where a grammar leaves only one text to say, it asks which tokens that is, and lets nothing else be
said. So the tokens must be those of exactly these bytes. Tokenizers give others: many put a blank
before every text, some bring characters into another form.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

from .tokenizer import Tokenizer

# A character that tokenizers join with no other: what they put before a text comes before it.
_BEFORE = "\x02"


class Vocabulary:
    def __init__(self, tokenizer: Tokenizer, control: Sequence[int]) -> None:
        self.eos_token_id = min(tokenizer.eos_ids, default=0)
        self.bos_token_id = None
        self.tokens = [tokenizer.token_bytes(token) for token in range(tokenizer.vocabulary)]
        self.special_token_ids = sorted(control)
        self._tokenizer = tokenizer

    def __call__(self, text: str | bytes) -> list[int]:
        data = text.encode() if isinstance(text, str) else bytes(text)
        for ids in self._encoded(data):
            if b"".join(self.tokens[token] for token in ids) == data:
                return ids
        return self._spelt(data)

    def _encoded(self, data: bytes) -> Iterator[list[int]]:
        """The ways of the tokenizer itself."""
        try:
            text = data.decode()
        except UnicodeDecodeError:  # it ends, or begins, within a character
            return
        yield self._tokenizer.encode(text)
        before = self._tokenizer.encode(_BEFORE)
        whole = self._tokenizer.encode(_BEFORE + text)
        if whole[: len(before)] == before:
            yield whole[len(before) :]

    def _spelt(self, data: bytes) -> list[int]:
        """The longest token that fits, one after the other, as far as there are any."""
        ids: list[int] = []
        while data:
            parts = (data[:size] for size in range(min(self._longest, len(data)), 0, -1))
            part = next((part for part in parts if part in self._ids), None)
            if part is None:
                break
            ids.append(self._ids[part])
            data = data[len(part) :]
        return ids

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        control = {*self.special_token_ids, *self._tokenizer.specials}
        return {data: i for i, data in enumerate(self.tokens) if data and i not in control}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._ids), default=0)
