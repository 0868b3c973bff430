"""What bytes a token stands for, whatever way its vocabulary spells them."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

Spelling = Callable[[str], bytes]

_BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@cache
def _byte_of_char() -> dict[str, int]:
    """Byte-level BPE writes printable Latin-1 bytes as themselves, the others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in printable)
    table = {chr(byte): byte for byte in printable}
    return table | {chr(0x100 + place): byte for place, byte in enumerate(others)}


def _byte_level(piece: str) -> bytes:
    table = _byte_of_char()
    try:
        return bytes([table[char] for char in piece])
    except KeyError:  # an added token, spelt as it is
        return piece.encode()


def _steps(decoder: dict[str, Any]) -> list[dict[str, Any]]:
    if decoder.get("type") == "Sequence":
        return [step for part in decoder["decoders"] for step in _steps(part)]
    return [decoder]


def _replacing(pairs: list[tuple[str, str]], byte_fallback: bool) -> Spelling:
    def spell(piece: str) -> bytes:
        if byte_fallback and (match := _BYTE_FALLBACK.fullmatch(piece)):
            return bytes([int(match[1], 16)])
        for old, new in pairs:
            piece = piece.replace(old, new)
        return piece.encode()

    return spell


def spelling(decoder: dict[str, Any] | None) -> tuple[Spelling, bool]:
    """How to turn a vocabulary entry into bytes, and whether a text loses its first space."""
    if decoder is None:
        return str.encode, False
    steps = _steps(decoder)
    kinds = {step.get("type") for step in steps}
    if "ByteLevel" in kinds:
        return _byte_level, False
    pairs: list[tuple[str, str]] = []
    strip = False
    for step in steps:
        match step.get("type"):
            case "Replace" if "String" in step["pattern"]:
                pairs.append((step["pattern"]["String"], step["content"]))
            case "Metaspace":
                pairs.append((step.get("replacement", "▁"), " "))
                strip = step.get("prepend_scheme", "always") != "never"
            case "BPEDecoder":
                pairs.append((step.get("suffix", "</w>"), " "))
            case "Strip" if step.get("content") == " " and step.get("start", 0):
                strip = True
    return _replacing(pairs, "ByteFallback" in kinds), strip
