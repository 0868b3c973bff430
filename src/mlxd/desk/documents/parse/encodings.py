"""Bytes become text: by a mark at their start, as UTF-8, or by what makes sense of them."""

import codecs

# The longer marks first: one begins with another.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Looked at to find out: more says no more.
SAMPLE_BYTES = 16_384
# In text of two bytes a character without a mark, so many of one side's are zero at least, and next
# to none of the other's.
WIDE = 0.4
STRAY = 0.02
# Of the characters beyond ASCII, from which on a text is not in Latin letters.
OTHER_SCRIPT = 0.5
_LATIN = 0x250


def wide(data: bytes) -> str | None:
    """The encoding, where each character takes two bytes or four."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    sample = data[:SAMPLE_BYTES]
    half = max(len(sample) // 2, 1)
    even, odd = sample[::2].count(0) / half, sample[1::2].count(0) / half
    if odd >= WIDE and even <= STRAY:
        return "utf-16-le"
    return "utf-16-be" if even >= WIDE and odd <= STRAY else None


def decoded(data: bytes) -> str:
    encoding = wide(data)
    if encoding is not None:
        return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode(_guessed(data), errors="replace")


def _guessed(data: bytes) -> str:
    # Here, as it takes a moment that nearly no file needs.
    from charset_normalizer import from_bytes

    sample = data
    if len(data) > SAMPLE_BYTES:
        sample = data[: data.rfind(b"\n", 0, SAMPLE_BYTES) + 1] or data[:SAMPLE_BYTES]
    found = from_bytes(sample).best()
    if found is None:
        return "cp1252"
    # Western and eastern Latin letters share their numbers, and short texts don't tell them apart.
    if _other_script(str(found)):
        # What it calls by the name of a part is mostly written in the whole.
        return "gb18030" if found.encoding in ("gb2312", "gbk") else str(found.encoding)
    return "cp1252"


def _other_script(text: str) -> bool:
    beyond = [character for character in text if ord(character) > 127]
    others = sum(ord(character) >= _LATIN for character in beyond)
    return others > OTHER_SCRIPT * len(beyond)
