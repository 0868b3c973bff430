"""Words as the index knows them: the same for texts and for questions, in any script.

Chinese, Japanese and Korean have no spaces: there, each pair of neighbouring characters is a word,
and so is each character, so that a question of one character finds something too. English words
lose their commonest endings. Codes (`INV-4711`) are kept whole beside their parts.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# Scripts that are written without spaces.
_DENSE = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
    "\U00020000-\U0002fa1f\U00030000-\U000323af"
)
_TOKEN = re.compile(rf"[{_DENSE}]+|[^\W_{_DENSE}]+(?:[._:/@'’+-][^\W_{_DENSE}]+)*")
_PARTS = re.compile(r"[^\W_]+")
_DENSE_RUN = re.compile(rf"[{_DENSE}]+")
_DIGIT = re.compile(r"\d")
# Longer ones are no words but data, and would only fill the index.
LONGEST = 64
# Characters of a Latin word to a token, about what tokenizers of language models make of them.
CHARACTERS_A_TOKEN = 4


class Word(NamedTuple):
    """`text` as in the index; `start` and `end` are its place in the given text."""

    text: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    for found in _TOKEN.finditer(text):
        start, token = found.start(), found.group()
        if _DENSE_RUN.fullmatch(token):
            yield from _pairs(token, start)
            continue
        parts = list(_PARTS.finditer(token))
        if len(parts) > 1 and _DIGIT.search(token) and len(token) <= LONGEST:
            yield Word(fold(token), start, start + len(token))
        for part in parts:
            if part.end() - part.start() <= LONGEST:
                stemmed = stem(fold(part.group()))
                yield Word(stemmed, start + part.start(), start + part.end())


def _pairs(run: str, start: int) -> Iterator[Word]:
    for i, character in enumerate(run):
        yield Word(character, start + i, start + i + 1)
        if i + 1 < len(run):
            yield Word(run[i : i + 2], start + i, start + i + 2)


def indexed(text: str) -> str:
    """What the index is given for a text: its words with spaces between."""
    return " ".join(word.text for word in words(text))


def asked(text: str) -> list[str]:
    """What a question looks for. Where pairs say more, single characters are left out."""
    found = list(words(text))
    pairs = {i for word in found if len(word.text) == 2 and _dense(word.text) for i in _span(word)}
    kept = [
        word.text
        for word in found
        if not (len(word.text) == 1 and _dense(word.text) and word.start in pairs)
    ]
    return list(dict.fromkeys(kept))


def _span(word: Word) -> range:
    return range(word.start, word.end)


def _dense(text: str) -> bool:
    return _DENSE_RUN.fullmatch(text) is not None


def fold(text: str) -> str:
    """Without case, accents and differences of width."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in plain if not unicodedata.combining(c))


def stem(word: str) -> str:
    """The commonest English endings, and no more: a wrong stem loses what it should find."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    for ending, kept in (
        ("'s", ""),
        ("ies", "y"),
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
    ):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + kept
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        left = word.removesuffix(ending)
        if left != word and len(left) >= 3 and any(c in "aeiouy" for c in left):
            if len(left) > 3 and left[-1] == left[-2] and left[-1] not in "lsz":
                left = left[:-1]
            return left.removesuffix("e")
    return word.removesuffix("e") if len(word) > 4 else word


def tokens(text: str) -> int:
    """About how many tokens a model makes of it. Marks go with words; where there are more of them
    than words, as in a table of contents with its dots, each is one."""
    count = seen = inside = 0
    for found in _TOKEN.finditer(text):
        token = found.group()
        dense = _DENSE_RUN.fullmatch(token) is not None
        count += len(token) if dense else -(-len(token) // CHARACTERS_A_TOKEN)
        seen += 1
        inside += len(token)
    marks = sum(map(len, text.split())) - inside
    return count + max(0, marks - seen)
