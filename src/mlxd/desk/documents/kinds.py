"""What a file is, by its content first: names lie."""

import zipfile
from pathlib import Path
from typing import NamedTuple

from .parse.encodings import wide
from .pieces import Unreadable


class FileKind(NamedTuple):
    """`parser`: which of ours reads it."""

    name: str
    media_type: str
    parser: str


PDF = FileKind("PDF", "application/pdf", "pdf")
_OFFICE = "application/vnd.openxmlformats-officedocument"
DOCX = FileKind("DOCX", f"{_OFFICE}.wordprocessingml.document", "office")
PPTX = FileKind("PPTX", f"{_OFFICE}.presentationml.presentation", "office")
XLSX = FileKind("XLSX", f"{_OFFICE}.spreadsheetml.sheet", "office")
HTML = FileKind("HTML", "text/html", "office")
MARKDOWN = FileKind("Markdown", "text/markdown", "plain")
TEXT = FileKind("text", "text/plain", "plain")
PICTURES = {
    "PNG": FileKind("PNG", "image/png", "picture"),
    "JPEG": FileKind("JPEG", "image/jpeg", "picture"),
    "WEBP": FileKind("WebP", "image/webp", "picture"),
    "TIFF": FileKind("TIFF", "image/tiff", "picture"),
    "GIF": FileKind("GIF", "image/gif", "picture"),
    "BMP": FileKind("BMP", "image/bmp", "picture"),
    "HEIC": FileKind("HEIC", "image/heic", "picture"),
}

# What a name promises.
SUFFIXES = {
    ".pdf": PDF,
    ".docx": DOCX,
    ".pptx": PPTX,
    ".xlsx": XLSX,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".txt": TEXT,
    ".text": TEXT,
    ".log": TEXT,
    ".csv": TEXT,
    ".tsv": TEXT,
    ".json": TEXT,
    ".yaml": TEXT,
    ".yml": TEXT,
    ".toml": TEXT,
    ".xml": TEXT,
    ".rst": TEXT,
    ".png": PICTURES["PNG"],
    ".jpg": PICTURES["JPEG"],
    ".jpeg": PICTURES["JPEG"],
    ".webp": PICTURES["WEBP"],
    ".tif": PICTURES["TIFF"],
    ".tiff": PICTURES["TIFF"],
    ".gif": PICTURES["GIF"],
    ".bmp": PICTURES["BMP"],
    ".heic": PICTURES["HEIC"],
    ".heif": PICTURES["HEIC"],
}
SUPPORTED = "PDF, DOCX, PPTX, XLSX, HTML, Markdown, text, PNG, JPEG, WebP, TIFF, GIF, BMP, HEIC"

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", PICTURES["PNG"]),
    (b"\xff\xd8\xff", PICTURES["JPEG"]),
    (b"II*\x00", PICTURES["TIFF"]),
    (b"MM\x00*", PICTURES["TIFF"]),
    (b"GIF87a", PICTURES["GIF"]),
    (b"GIF89a", PICTURES["GIF"]),
    (b"BM", PICTURES["BMP"]),
)
# Formats that nothing here reads, so that the reason can name them.
_FOREIGN = (
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"{\\rtf", "RTF"),
    (b"%!PS", "PostScript"),
)
_HEAD_BYTES = 4096
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# The list of what is in such a file stands near its start or its end, as programs write it.
_COMPOUND_BYTES = 1024 * 1024
# A PDF may have something before its first line.
_PDF_WITHIN = 1024
_OFFICE_PARTS = (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX))
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis")


def recognise(file: Path, name: str) -> FileKind:
    """Raises Unreadable where content and name contradict each other, and for what is not read."""
    promised = SUFFIXES.get(Path(name).suffix.lower())
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if not head:
        raise Unreadable("empty_file", f"{name} is empty.")
    found = _by_content(file, head, name)
    if found is None:
        found = _text_kind(head, promised, name)
    if promised is not None and found.media_type != promised.media_type:
        same = {found.parser, promised.parser} <= {"picture"}
        both_text = found.media_type.startswith("text/") and promised.media_type.startswith("text/")
        if not same and not both_text:
            raise Unreadable(
                "mislabelled_file",
                f"{name} is named as {promised.name}, but its content is {found.name}. "
                "Give it the right name and add it again.",
            )
    return found


def _by_content(file: Path, head: bytes, name: str) -> FileKind | None:
    for magic, kind in _MAGIC:
        if head.startswith(magic) and (kind.name != "BMP" or _is_bmp(head)):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return PICTURES["WEBP"]
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return PICTURES["HEIC"]
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return PDF
    if head.startswith(b"PK\x03\x04"):
        return _packed(file, name)
    if head.startswith(_COMPOUND):
        raise _compound(file, name)
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise Unreadable("unsupported_file", f"{name} is {what}. What is read: {SUPPORTED}.")
    return None


def _compound(file: Path, name: str) -> Unreadable:
    """Old Office files, and new ones that are encrypted, which are packed into such a file."""
    with file.open("rb") as stream:
        looked_at = stream.read(_COMPOUND_BYTES)
        stream.seek(max(0, file.stat().st_size - _COMPOUND_BYTES))
        looked_at += stream.read()
    if "EncryptedPackage".encode("utf-16-le") in looked_at:
        told = f"{name} is encrypted. Remove its password and add it again."
        return Unreadable("encrypted_file", told)
    told = f"{name} is an old Office file (DOC, XLS, PPT). Save it as DOCX, XLSX or PPTX"
    return Unreadable("unsupported_file", f"{told} and add that.")


def _is_bmp(head: bytes) -> bool:
    """Two letters prove little: the reserved bytes and the place of the pixels have to fit too."""
    return head[6:10] == b"\0\0\0\0" and 26 <= int.from_bytes(head[10:14], "little") < 2048


def _packed(file: Path, name: str) -> FileKind:
    try:
        with zipfile.ZipFile(file) as archive:
            inside = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Unreadable("damaged_file", f"{name} is a damaged archive: {error}.") from error
    for prefix, kind in _OFFICE_PARTS:
        if any(one.startswith(prefix) for one in inside):
            return kind
    raise Unreadable(
        "unsupported_file",
        f"{name} is an archive that holds no document. What is read: {SUPPORTED}.",
    )


def _text_kind(head: bytes, promised: FileKind | None, name: str) -> FileKind:
    if b"\0" in head and wide(head) is None:
        if promised is not None and promised.parser != "plain":
            raise Unreadable("damaged_file", f"{name} is named as {promised.name}, and is none.")
        raise Unreadable("unsupported_file", f"{name} is no text. What is read: {SUPPORTED}.")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    looks_like_html = start.startswith((b"<!doctype html", b"<html"))
    if promised in (HTML, MARKDOWN):
        return promised
    return HTML if looks_like_html and promised is None else TEXT
