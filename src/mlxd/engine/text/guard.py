"""Keeps what clients write from becoming control tokens.

A message that contains `<|im_end|>` means those characters, not the end of the turn. Before a
template sees it, each control token in it is put between two marks (Unicode noncharacters, which
no text may contain); the template's own control tokens have none. The rendered text is then
encoded with a twin of the tokenizer that knows control tokens only under aliases, so that only
those which the template wrote can become one, and all else is tokenised as ever.
"""

import re
from collections.abc import Collection
from typing import Any

import tokenizers

from .encoding import encode

_OPEN, _CLOSE, _ALIAS = "\ufdd0", "\ufdd1", "\ufdd2"
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}{_ALIAS}]")
# JSON that a template writes in ASCII spells the marks as escapes.
_ESCAPED = re.compile(r"\\ufdd([01])")


class Rendered(str):
    """A rendered prompt. As a string it is clean. Encoded as it is, it becomes the tokens that the
    template meant, whatever clients wrote; that knowledge is lost where it is cut or joined."""

    __slots__ = ("_guard", "marked")
    marked: str
    _guard: "Guard"

    @classmethod
    def of(cls, marked: str, guard: "Guard") -> "Rendered":
        clean = _MARKS.sub("", marked)
        self = cls(clean)
        # Most clients write nothing that could be taken for a control token.
        self.marked = "" if len(clean) == len(marked) else marked
        self._guard = guard
        return self

    def ids(self) -> list[int]:
        return self._guard.encode(self.marked)

    @property
    def hidden(self) -> str:
        """The prompt with a number in place of each control token that a client spelt, for those
        who look for control tokens in it."""
        return self._guard.hide(self.marked) if self.marked else str(self)

    def revealed(self, text: str) -> "str | Rendered":
        """A piece of the hidden prompt, or something made of it, as it has to be encoded."""
        return Rendered.of(self._guard.reveal(text), self._guard) if self.marked else text


def unescape_marks(text: str) -> str:
    return _ESCAPED.sub(lambda match: _OPEN if match[1] == "0" else _CLOSE, text)


def _any_of(strings: Collection[str]) -> str:
    """A pattern for any of the strings, the longest first. It shares their beginnings, because
    some vocabularies have a thousand placeholders."""
    low, high = min(strings, default=""), max(strings, default="")
    apart = (i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b)
    shared = low[: next(apart, len(low))]
    if len(strings) == 1 or shared:
        rest = {string[len(shared) :] for string in strings}
        return re.escape(shared) + (_any_of(rest) if rest != {""} else "")
    groups: dict[str, set[str]] = {}
    for string in sorted(strings):
        groups.setdefault(string[:1], set()).add(string)
    optional = "?" if groups.pop("", None) else ""
    return f"(?:{'|'.join(map(_any_of, groups.values())) or '(?!)'}){optional}"


class Guard:
    """`added`: the tokenizer's added tokens. Control tokens are the special ones among them, and
    those in `markers`."""

    def __init__(
        self, backend: tokenizers.Tokenizer, added: dict[int, Any], markers: Collection[str]
    ) -> None:
        self._backend = backend
        self._added = added
        self._twin: tokenizers.Tokenizer | None = None
        self._control = {
            entry.content: token
            for token, entry in added.items()
            if (entry.special or entry.content in markers) and entry.content.strip()
        }
        any_token = _any_of(self._control)
        self._tokens = re.compile(any_token)
        self._found = re.compile(f"{_OPEN}({any_token}){_CLOSE}|([{_OPEN}{_CLOSE}])|({any_token})")
        # What a text must end or begin with to complete a control token with its neighbour.
        self._heads = {token[:cut] for token in self._control for cut in range(1, len(token))}
        self._tails = {token[cut:] for token in self._control for cut in range(1, len(token))}
        self._longest = max(map(len, self._control), default=0)

    def mark(self, value: Any, spare: Collection[str] = ()) -> Any:
        """The same JSON value with marks in its strings, keys included, where they are needed.
        What is in `spare` may stay a control token."""
        if isinstance(value, str):
            return self._mark(value, spare)
        if isinstance(value, dict):
            return {self._mark(str(key), ()): self.mark(v, spare) for key, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.mark(item, spare) for item in value]
        return value

    def _mark(self, text: str, spare: Collection[str]) -> str:
        text = _MARKS.sub("\N{REPLACEMENT CHARACTER}", text)
        marked = self._tokens.sub(
            lambda found: found[0] if found[0] in spare else f"{_OPEN}{found[0]}{_CLOSE}", text
        )
        cuts = range(1, min(self._longest, len(text) + 1))
        if any(text[:cut] in self._tails for cut in cuts):
            marked = _CLOSE + marked
        if any(text[-cut:] in self._heads for cut in cuts):
            marked += _OPEN
        return marked

    def hide(self, marked: str) -> str:
        spelt = re.compile(f"{_OPEN}({self._tokens.pattern}){_CLOSE}")
        return spelt.sub(lambda m: f"{_ALIAS}{self._control[m[1]]}{_ALIAS}", marked)

    def reveal(self, hidden: str) -> str:
        number = re.compile(f"{_ALIAS}([0-9]+){_ALIAS}")
        return number.sub(lambda m: f"{_OPEN}{self._added[int(m[1])].content}{_CLOSE}", hidden)

    def encode(self, marked: str) -> list[int]:
        twin = self._twin or self._make_twin()
        text = self._found.sub(self._alias, marked)
        ids: list[int] = []
        for token in encode(twin, text):
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
            if (known := twin.token_to_id(content)) is not None:
                true[known] = token
        self._forbidden = {token: text for text, token in self._control.items()}
        self._true, self._twin = true, twin
        return twin
