"""The tokenizer: whole frequent words, every Chinese character of the list, and bytes for the rest.

There are no merges. The text is cut into words, single characters and a few JSON joints; a piece
that stands in the vocabulary is one token, any other is spelled in bytes. So a random code is
always spelled the same way, in a prompt as in an answer, and copying never fights segmentation.
"""

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

from . import chat
from . import lexicon as lx

PIECES = r"""": "|", "|\{"|"\}|[A-Z][a-z]+|[a-z]+|[A-Z]+(?![a-z])|[\s\S]"""
SPECIALS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
MARKS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
JOINTS = ['": "', '", "', '{"', '"}']
PUNCTUATION = "，。！？、：；“”‘’（）《》「」—…·￥€£°→×÷±"
MAX_WORDS = 3300
VOCABULARY = Path(__file__).parent / "data" / "vocabulary.json"


def _byte_letters() -> list[str]:
    """The printable letter that stands for each byte in a byte-level vocabulary."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in shown}
    spare = 256
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(spare)
            spare += 1
    return [letters[b] for b in range(256)]


LETTERS = _byte_letters()


def written(piece: str) -> str:
    return "".join(LETTERS[b] for b in piece.encode("utf-8"))


def pieces_of_vocabulary(samples: int) -> list[str]:
    """Count words over generated examples; keep the frequent ones and all of the lexicon's."""
    from .tasks import mixture

    pattern = re.compile(PIECES)
    counts: Counter[str] = Counter()
    for i in range(samples):
        example = mixture.draw(random.Random(f"vocabulary/{i}"))
        text = chat.prompt(example.messages, example.tools) + example.answer
        counts.update(
            p for p in pattern.findall(text) if len(p) > 1 and p.isalpha() and p.isascii()
        )
    for word in lx.all_words():
        if word.isalpha() and len(word) > 1:
            counts[word] += samples // 2000
    words = [w for w, n in counts.most_common(MAX_WORDS) if n >= samples // 2500]
    return [*JOINTS, *sorted(words), *lx.hanzi(), *(c for c in PUNCTUATION)]


class Tokenizer:
    """A quick encoder for the generators, equal to the exported tokenizer."""

    def __init__(self, pieces: list[str]) -> None:
        self.tokens = [*LETTERS, *(written(p) for p in pieces)]
        self.tokens = list(dict.fromkeys(self.tokens))
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.added = [*SPECIALS, *MARKS]
        for mark in self.added:
            self.ids[mark] = len(self.ids)
        self.pieces = {p: self.ids[written(p)] for p in pieces}
        self.byte_ids = [self.ids[letter] for letter in LETTERS]
        self.pattern = re.compile("|".join(map(re.escape, self.added)) + "|" + PIECES)
        self.end = self.ids["<|im_end|>"]
        self.image = self.ids["<|image_pad|>"]
        self.size = len(self.ids)

    @classmethod
    def load(cls) -> "Tokenizer":
        return cls(json.loads(VOCABULARY.read_text(encoding="utf-8")))

    def encode(self, text: str, spelled: frozenset[str] = frozenset()) -> list[int]:
        """Token ids. Words in `spelled` are written letter by letter, as an unknown word is."""
        out: list[int] = []
        for piece in self.pattern.findall(text):
            known = self.pieces.get(piece)
            if known is not None and piece not in spelled:
                out.append(known)
            elif piece in self.ids and len(piece) > 4 and piece[0] == "<":
                out.append(self.ids[piece])
            else:
                out.extend(self.byte_ids[b] for b in piece.encode("utf-8"))
        return out

    def spell(self, text: str) -> list[int]:
        """Characters one by one: how printed text is read."""
        out: list[int] = []
        for character in text:
            known = self.pieces.get(character)
            out.extend(
                [known]
                if known is not None
                else [self.byte_ids[b] for b in character.encode("utf-8")]
            )
        return out

    def decode(self, ids: list[int]) -> str:
        back = {letter: byte for byte, letter in enumerate(LETTERS)}
        by_id = {i: t for t, i in self.ids.items()}
        out = bytearray()
        for i in ids:
            token = by_id[i]
            out += token.encode() if token in self.added else bytes(back[c] for c in token)
        return out.decode("utf-8", "replace")

    def exported(self) -> dict[str, Any]:
        """The content of tokenizer.json."""
        added = [
            {
                "id": self.ids[m],
                "content": m,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": m in SPECIALS,
            }
            for m in self.added
        ]
        cut = {
            "type": "Split",
            "pattern": {"Regex": PIECES},
            "behavior": "Isolated",
            "invert": False,
        }
        plain = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": False,
            "use_regex": False,
        }
        model = {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": True,
            "vocab": {t: i for i, t in enumerate(self.tokens)},
            "merges": [],
        }
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [cut, plain]},
            "post_processor": None,
            "decoder": plain,
            "model": model,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="Choose the words of the vocabulary")
    parser.add_argument("--samples", type=int, default=60_000)
    pieces = pieces_of_vocabulary(parser.parse_args().samples)
    VOCABULARY.write_text(json.dumps(pieces, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(f"{Tokenizer(pieces).size} tokens")


if __name__ == "__main__":
    main()
