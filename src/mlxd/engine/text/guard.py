"""Keeps what clients write from becoming control tokens.

A message that contains `<|im_end|>` means those characters, not the end of the turn. Before a
template sees it, each control token in it is put between two marks (Unicode noncharacters, which
no text may contain); the template's own control tokens have none. The rendered text is then
encoded with a twin of the tokenizer that knows control tokens only under aliases, so that only
those which the template wrote can become one, and all else is tokenised as ever.
"""

import re
from typing import Any

import tokenizers

_OPEN, _CLOSE, _ALIAS = "\ufdd0", "\ufdd1", "\ufdd2"
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}{_ALIAS}]")
# JSON that a template writes in ASCII spells the marks as escapes.
_ESCAPED = re.compile(r"\\ufdd([01])")


class Rendered(str):
    """A rendered prompt. As a string it is clean; `marked` tells client text from control tokens,
    and is empty when clients wrote nothing that could be taken for one."""

    __slots__ = ("marked",)
    marked: str

    @classmethod
    def of(cls, marked: str) -> "Rendered":
        clean = _MARKS.sub("", marked)
        self = cls(clean)
        self.marked = "" if len(clean) == len(marked) else marked
        return self


def unescape_marks(text: str) -> str:
    return _ESCAPED.sub(lambda match: _OPEN if match[1] == "0" else _CLOSE, text)


def _ends_of(tokens: list[str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a text must end or begin with to complete a control token with its neighbour."""
    heads = {token[:cut] for token in tokens for cut in range(1, len(token))}
    tails = {token[cut:] for token in tokens for cut in range(1, len(token))}
    head = "|".join(map(re.escape, sorted(heads, key=len, reverse=True))) or "(?!)"
    tail = "|".join(map(re.escape, sorted(tails, key=len, reverse=True))) or "(?!)"
    return re.compile(f"(?:{head})\\Z"), re.compile(f"(?:{tail})")


class Guard:
    def __init__(self, backend: tokenizers.Tokenizer, added: dict[int, Any]) -> None:
        self._backend = backend
        self._added = added
        self._twin: tokenizers.Tokenizer | None = None
        self.protect(())

    def protect(self, markers: tuple[str, ...]) -> None:
        """Which tokens are control tokens: the special ones, and the added ones in `markers`."""
        self._control = {
            entry.content: token
            for token, entry in self._added.items()
            if (entry.special or entry.content in markers) and entry.content.strip()
        }
        longest = sorted(self._control, key=len, reverse=True)
        any_token = "|".join(map(re.escape, longest)) or "(?!)"
        self._tokens = re.compile(any_token)
        self._found = re.compile(f"{_OPEN}({any_token}){_CLOSE}|([{_OPEN}{_CLOSE}])|({any_token})")
        self._head, self._tail = _ends_of(longest)
        self._twin = None

    def mark(self, value: Any) -> Any:
        """The same JSON value with marks in its strings, keys included, where they are needed."""
        if isinstance(value, str):
            return self._mark(value)
        if isinstance(value, dict):
            return {self._mark(str(key)): self.mark(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.mark(item) for item in value]
        return value

    def _mark(self, text: str) -> str:
        text = _MARKS.sub("\N{REPLACEMENT CHARACTER}", text)
        marked = self._tokens.sub(f"{_OPEN}\\g<0>{_CLOSE}", text)
        if self._tail.match(text):
            marked = _CLOSE + marked
        if self._head.search(text, max(0, len(text) - 64)):
            marked += _OPEN
        return marked

    def encode(self, marked: str) -> list[int]:
        twin = self._twin or self._make_twin()
        text = self._found.sub(self._alias, marked)
        ids: list[int] = []
        for token in twin.encode(text, add_special_tokens=False).ids:
            if token in self._true:
                ids.append(self._true[token])
            elif token in self._forbidden:
                ids.extend(self._spelt_out(token))
            else:
                ids.append(token)
        return ids

    def _spelt_out(self, token: int) -> list[int]:
        """A control token's characters one by one, where plain text itself would become it."""
        model = self._backend.model
        pieces = (model.tokenize(char) for char in self._forbidden[token])
        return [piece.id for tokens in pieces for piece in tokens]

    def _alias(self, match: re.Match[str]) -> str:
        plain, mark, control = match.groups()
        if plain is not None:
            return str(plain)
        return "" if mark else f"{_ALIAS}{self._control[control]}{_ALIAS}"

    def _make_twin(self) -> tokenizers.Tokenizer:
        twin = tokenizers.Tokenizer(self._backend.model)  # shares the vocabulary, copies nothing
        for part in ("normalizer", "pre_tokenizer"):
            if (value := getattr(self._backend, part)) is not None:
                setattr(twin, part, value)
        true: dict[int, int] = {}
        for token, entry in sorted(self._added.items()):
            control = self._control.get(entry.content) == token
            content = f"{_ALIAS}{token}{_ALIAS}" if control else entry.content
            twin.add_tokens([
                tokenizers.AddedToken(
                    content,
                    single_word=entry.single_word,
                    lstrip=entry.lstrip,
                    rstrip=entry.rstrip,
                    normalized=entry.normalized and not control,
                    special=False,
                )
            ])  # fmt: skip
            known = twin.token_to_id(content)
            if known is not None and known != token:
                true[known] = token
        self._forbidden = {token: text for text, token in self._control.items()}
        self._true, self._twin = true, twin
        return twin
