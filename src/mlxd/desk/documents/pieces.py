"""What a document becomes: pages of blocks, then parents (what is shown) and children (what is
searched)."""

from typing import Literal

import msgspec

Kind = Literal["text", "table", "image", "page"]
# Left, top, right, bottom, in points (1/72 inch) or pixels from the page's upper left corner.
Box = tuple[float, float, float, float]


class Block(msgspec.Struct, frozen=True, omit_defaults=True):
    """`image`: the file that it was cut out into."""

    kind: Literal["text", "table", "image", "heading"]
    text: str = ""
    box: Box | None = None
    image: str | None = None


class Page(msgspec.Struct, frozen=True, omit_defaults=True):
    """`picture`: the rendered page, where its text has to be read by a model."""

    number: int
    blocks: list[Block] = []
    size: tuple[float, float] | None = None
    picture: str | None = None


class Survey(msgspec.Struct, frozen=True):
    """What a parser found. `paged`: its pages are pages of the document, not only parts."""

    kind: str
    pages: int
    paged: bool = False
    title: str | None = None


class Parent(msgspec.Struct, frozen=True):
    """`number` is its place in the document."""

    number: int
    kind: Kind
    text: str
    page: int | None = None
    box: Box | None = None
    image: str | None = None


class Child(msgspec.Struct, frozen=True):
    """`why`: window of its parent's text, description of an image, or summary."""

    parent: int
    number: int
    text: str
    why: Literal["window", "description", "summary"] = "window"


class Unreadable(Exception):
    """The document can't be read, and trying again would not change it. The reason is written for
    its owner; `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def page_file(number: int) -> str:
    return f"page-{number:05d}.json"


def parent_id(document: str | None, revision: str | None, number: int) -> str:
    return f"{document}:{(revision or '')[:8]}:{number:05d}"


def document_of(parent: str) -> str:
    return parent.partition(":")[0]
