import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from .encoding import encode
from .guard import Guard, Rendered
from .pieces import spelling

# Tokens that end an assistant's turn wherever they exist. Some checkpoints name only the end of
# the text as their end of sequence, and would otherwise go on to play the user's part.
TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<turn|>", "<|return|>",
             "<|call|>", "<|end_of_turn|>", "<|eot|>", "<｜end▁of▁sentence｜>")  # fmt: skip


class UnusableModel(ValueError):
    """A model folder lacks something that serving needs."""


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file, or an empty one when there is no such file."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise UnusableModel(f"{path} is not valid JSON ({error}); download it again") from error
    return content if isinstance(content, dict) else {}


def _open(folder: Path) -> tokenizers.Tokenizer:
    file = folder / "tokenizer.json"
    if file.exists():
        try:
            return tokenizers.Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises bare Exception for any unreadable file
            raise UnusableModel(f"{file} can't be read: {error}") from error
    # Converting other formats is the only thing that needs this slow import.
    from transformers import AutoTokenizer

    try:
        slow = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        return slow.backend_tokenizer
    except Exception as error:  # a library that may raise anything on a folder of anything
        raise UnusableModel(
            f"{folder} has no tokenizer.json, and its tokenizer can't be converted: {error}"
        ) from error


def _named_tokens(folder: Path) -> dict[str, Any]:
    """bos_token, eos_token and so on by name, as the model's files spell them."""
    named: dict[str, Any] = {}
    for source in ("special_tokens_map.json", "tokenizer_config.json"):
        for name, value in read_json(folder / source).items():
            if not name.endswith(("_token", "_tokens")):
                continue
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str) or (isinstance(text, list) and text):
                named[name] = text
    return named


def _ends(folder: Path) -> Iterator[int]:
    """The end-of-sequence ids that the model's configuration names."""
    config = read_json(folder / "config.json")
    for source in (read_json(folder / "generation_config.json"), config,
                   config.get("text_config") or {}):  # fmt: skip
        ids = source.get("eos_token_id") if isinstance(source, dict) else None
        for value in ids if isinstance(ids, list) else [ids]:
            if isinstance(value, int):
                yield value


def _pictures(folder: Path) -> Iterator[int]:
    """The ids that stand for parts of images and the like."""
    for name, value in read_json(folder / "config.json").items():
        if name.endswith(("_token_id", "_token_index")) and isinstance(value, int):
            yield value


class Tokenizer:
    """Text to token ids and back. Safe to use from several threads."""

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        named: dict[str, Any],
        ends: Sequence[int],
        pictures: Collection[int] = (),
    ) -> None:
        backend.no_padding()
        backend.no_truncation()
        self._backend = backend
        added = backend.get_added_tokens_decoder()
        self.named = named
        self.added: dict[int, str] = {token: entry.content for token, entry in added.items()}
        self.specials = frozenset(token for token, entry in added.items() if entry.special)
        self.pictures = frozenset(self.added[token] for token in pictures if token in self.added)
        self.vocabulary = max([backend.get_vocab_size() - 1, *added]) + 1
        names = [*TURN_ENDS, named.get("eos_token", "")]
        known = [t for t, text in self.added.items() if text in names and t in self.specials]
        if (eos := backend.token_to_id(named.get("eos_token", ""))) is not None:
            known.append(eos)
        self.eos_ids: frozenset[int] = frozenset(
            token for token in (*ends, *known) if token in range(self.vocabulary)
        )
        decoder = backend.decoder
        state = decoder.__getstate__() if decoder is not None else b"null"
        self._spell, self.strips_first_space = spelling(json.loads(state))
        self._bytes: dict[int, bytes] = {}
        self._silent: dict[tuple[str, ...], frozenset[int]] = {}

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        named = _named_tokens(folder)
        return cls(_open(folder), named, list(_ends(folder)), set(_pictures(folder)))

    def encode(self, text: str, *, add_special: bool = False) -> list[int]:
        """Ids of a text. In a `Rendered` one, what clients wrote forms no control tokens."""
        if isinstance(text, Rendered) and text.marked:
            return text.ids()
        return encode(self._backend, text, add_special)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some ids, without special tokens; broken UTF-8 becomes U+FFFD."""
        data = b"".join(self.token_bytes(token) for token in ids if token not in self.specials)
        if self.strips_first_space:
            data = data.removeprefix(b" ")
        return data.decode("utf-8", "replace")

    def token_id(self, text: str) -> int | None:
        token: int | None = self._backend.token_to_id(text)
        return token

    def token_bytes(self, token: int) -> bytes:
        """The token's own bytes, which may be only part of a character; b"" for no such id."""
        known = self._bytes.get(token)
        if known is None:
            if token in self.added:
                known = self.added[token].encode()
            else:
                piece = self._backend.id_to_token(token) if token >= 0 else None
                known = b"" if piece is None else self._spell(piece)
            self._bytes[token] = known
        return known

    def token_text(self, token: int) -> str:
        return self.token_bytes(token).decode("utf-8", "replace")

    def guard(self, markers: Collection[str]) -> Guard:
        """Keeps clients' text from becoming special tokens, or any of `markers`."""
        return Guard(self._backend, self._backend.get_added_tokens_decoder(), markers)

    def silent(self, markers: tuple[str, ...]) -> frozenset[int]:
        """The special tokens that say nothing to a client: all but the markers of a style."""
        if markers not in self._silent:
            shown = [known for marker in markers if (known := self.token_id(marker)) is not None]
            self._silent[markers] = (self.specials | self.eos_ids).difference(shown)
        return self._silent[markers]
