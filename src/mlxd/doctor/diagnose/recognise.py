"""Finds known failures in a text.

A signature is words that only this failure writes: the message of an exception together with where
it comes from, never a word that a healthy log may hold. What it says is in the tables beside this
file, one for each library.
"""

import functools
import re
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

TABLES = ("mlx", "metal", "cuda", "mlx_lm", "mlx_vlm", "hub", "tokenizers", "system", "mlxd")
# Of a log: what ended it stands at its end.
KEPT_CHARACTERS = 1_000_000
# Of a line: a message stands at its beginning or at its end. Words of some length are looked for
# from each character on, which takes minutes in a line of a million.
LINE_CHARACTERS = 8_000
# A line of MLX can hold a whole program; more of it tells nobody anything.
SHOWN_CHARACTERS = 240
_FLAGS = re.MULTILINE | re.IGNORECASE


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`match`: any of these is there, and all of `also`, and none of `unless`. `symptom`: what
    another failure leads to, so that any other signature explains more."""

    id: str
    about: str
    match: list[str]
    also: list[str] = []
    unless: list[str] = []
    symptom: bool = False
    cause: str
    do: list[str]
    source: list[str]
    # What of it mlxd takes care of by itself.
    here: str = ""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    about: str
    line: str
    cause: str
    do: list[str]
    source: list[str]
    here: str = ""


class _Compiled(msgspec.Struct, frozen=True):
    signature: Signature
    match: list[re.Pattern[str]]
    also: list[re.Pattern[str]]
    unless: list[re.Pattern[str]]

    def place(self, text: str) -> int | None:
        """Where it is found last."""
        if not all(one.search(text) for one in self.also):
            return None
        if any(one.search(text) for one in self.unless):
            return None
        places = [found.start() for one in self.match for found in one.finditer(text)]
        return max(places, default=None)


def diagnose(text: str) -> list[Diagnosis]:
    """What is recognised, the likeliest cause first: causes before their symptoms, and of several
    the one that is named last."""
    text = _without_long_lines(text[-KEPT_CHARACTERS:])
    found = [
        (not one.signature.symptom, place, one.signature)
        for one in _compiled()
        if (place := one.place(text)) is not None
    ]
    found.sort(key=lambda each: each[:2], reverse=True)
    return [_made(signature, text, place) for _, place, signature in found]


def _without_long_lines(text: str) -> str:
    half = LINE_CHARACTERS // 2
    lines = text.split("\n")
    return "\n".join(
        line if len(line) <= LINE_CHARACTERS else f"{line[:half]} … {line[-half:]}"
        for line in lines
    )


def explain(text: str) -> Diagnosis | None:
    """The likeliest cause."""
    return next(iter(diagnose(text)), None)


@functools.cache
def signatures() -> list[Signature]:
    import tomllib

    found: list[Signature] = []
    for name in TABLES:
        file = Path(__file__).with_name("tables") / f"{name}.toml"
        table: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        found += msgspec.convert(table["signature"], type=list[Signature])
    return found


@functools.cache
def _compiled() -> list[_Compiled]:
    return [
        _Compiled(
            one,
            *(
                [re.compile(pattern, _FLAGS) for pattern in patterns]
                for patterns in (one.match, one.also, one.unless)
            ),
        )
        for one in signatures()
    ]


def _made(signature: Signature, text: str, place: int) -> Diagnosis:
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    line = text[start : end if end >= 0 else len(text)].strip()
    if place - start > SHOWN_CHARACTERS // 2:
        line = "…" + text[place : place + SHOWN_CHARACTERS].partition("\n")[0]
    if len(line) > SHOWN_CHARACTERS:
        line = line[:SHOWN_CHARACTERS] + "…"
    return Diagnosis(
        id=signature.id,
        about=signature.about,
        line=line,
        cause=signature.cause,
        do=signature.do,
        source=signature.source,
        here=signature.here,
    )


def last_part(file: Path) -> str:
    """The end of a log, or all of a short one. OSError where it can't be read."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        stream.seek(max(0, size - KEPT_CHARACTERS))
        return stream.read(KEPT_CHARACTERS).decode("utf-8", "replace")


def last_of(stream: BinaryIO) -> str:
    """The same of what can only be read once, and may be longer than the memory is."""
    kept = b""
    while data := stream.read(KEPT_CHARACTERS):
        kept = (kept + data)[-KEPT_CHARACTERS:]
    return kept.decode("utf-8", "replace")
