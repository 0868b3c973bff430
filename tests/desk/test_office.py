"""Office files, pages and pictures become Markdown and pictures; hostile ones become a reason."""

import io
import zipfile
from pathlib import Path

import msgspec
import openpyxl
import pptx
import pytest
from PIL import Image

from mlxd.desk.documents.kinds import recognise
from mlxd.desk.documents.parse import Extraction, extract, plain
from mlxd.desk.documents.pieces import Page, Survey, Unreadable

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def docx(text: str, **parts: bytes) -> bytes:
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_DOCX}"/></Types>'
    )
    relations = (
        f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    body = (
        f'<w:document xmlns:w="{_WORD}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p>'
        "</w:body></w:document>"
    )
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", relations)
        archive.writestr("word/document.xml", body)
        for name, content in parts.items():
            archive.writestr(f"word/{name}", content)
    return data.getvalue()


def parsed(folder: Path, name: str, data: bytes, **limits: int) -> tuple[Survey, list[Page]]:
    file = folder / "original"
    file.write_bytes(data)
    kind = recognise(file, name)
    if kind.parser == "plain":
        return plain.parse(file, name)
    request = Extraction(
        file=str(file),
        name=name,
        parser=kind.parser,
        out=str(folder / "out"),
        images=str(folder / "images"),
        page_limit=100,
        pixel_limit=limits.get("pixel_limit", 10**7),
        unpacked_limit=limits.get("unpacked_limit", 10**8),
        image_side=64,
        memory=1 << 30,
        seconds=60,
    )
    survey = extract(request, lambda: False)
    assert survey is not None
    files = sorted((folder / "out").glob("page-*.json"))
    return survey, [msgspec.json.decode(one.read_bytes(), type=Page) for one in files]


def reason(folder: Path, name: str, data: bytes, **limits: int) -> str:
    with pytest.raises(Unreadable) as raised:
        parsed(folder, name, data, **limits)
    assert name in str(raised.value)
    return raised.value.code


def test_word(folder: Path) -> None:
    _, [page] = parsed(folder, "letter.docx", docx("The lease ends in March."))
    assert [block.text for block in page.blocks] == ["The lease ends in March."]


def test_tables_of_a_workbook(folder: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Part", "Stock"])
    book.active.append(["Bolt", 17])
    data = io.BytesIO()
    book.save(data)
    _, [page] = parsed(folder, "stock.xlsx", data.getvalue())
    [table] = [block for block in page.blocks if block.kind == "table"]
    assert "| Bolt | 17 |" in table.text


def test_slides_are_pages(folder: Path) -> None:
    talk = pptx.Presentation()
    for number in (1, 2):
        slide = talk.slides.add_slide(talk.slide_layouts[5])
        slide.shapes.title.text = f"Slide about topic {number}"
    data = io.BytesIO()
    talk.save(data)
    survey, pages = parsed(folder, "talk.pptx", data.getvalue())
    assert survey.paged
    assert ["topic 1" in pages[0].blocks[0].text, "topic 2" in pages[1].blocks[0].text] == [
        True
    ] * 2


def test_a_page_of_the_web(folder: Path) -> None:
    html = b"<html><body><h1>Tide</h1><p>High at noon.</p><script>evil()</script></body></html>"
    survey, [page] = parsed(folder, "tide.html", html)
    assert [block.text for block in page.blocks] == ["# Tide", "High at noon."]
    assert survey.title == "Tide"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_text_in_its_encoding(folder: Path, encoding: str) -> None:
    _, [page] = parsed(folder, "text.txt", "数据库的索引让查询更快。".encode(encoding))
    assert page.blocks[0].text == "数据库的索引让查询更快。"


def test_fences_and_tables_of_markdown_stay_whole(folder: Path) -> None:
    text = b"# Head\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n```\ncode\n\nmore\n```\n"
    _, [page] = parsed(folder, "notes.md", text)
    assert [block.kind for block in page.blocks] == ["heading", "table", "text"]
    assert "code\n\nmore" in page.blocks[2].text


def test_an_archive_that_grows_without_end_is_refused(folder: Path) -> None:
    bomb = docx("Small.", **{"media.bin": bytes(200_000_000)})
    assert len(bomb) < 1_000_000
    assert reason(folder, "bomb.docx", bomb) == "unpacked_too_large"


def test_pictures_with_too_many_pixels_are_refused(folder: Path) -> None:
    data = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(data, "PNG")
    assert reason(folder, "wide.png", data.getvalue()) == "too_many_pixels"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("letter.docx", docx("cut off")[:300], "damaged_file"),
        ("empty.txt", b"", "empty_file"),
        ("blank.txt", b"  \n\n ", "empty_file"),
        ("report.pdf", b"\x89PNG\r\n\x1a\n....", "mislabelled_file"),
        ("photo.jpg", docx("a letter"), "mislabelled_file"),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "unsupported_file"),
        ("tool.txt", b"\x7fELF" + bytes(100), "unsupported_file"),
        ("data.txt", b"text\0with zeros", "unsupported_file"),
        ("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "damaged_file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_read_says_why(folder: Path, name: str, data: bytes, code: str) -> None:
    assert reason(folder, name, data) == code
