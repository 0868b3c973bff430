"""Office files, web pages and pictures become text and pictures; hostile ones become a reason."""

import base64
import datetime
import io
import zipfile
from pathlib import Path

import msgspec
import openpyxl
import pptx
import pytest
from PIL import Image

from mlxd.desk.documents.kinds import recognise
from mlxd.desk.documents.parse import Extraction, encodings, extract, office, plain
from mlxd.desk.documents.pieces import Page, Survey, Unreadable

from .papers import label, png

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
_SIGN = png(label("GATE 4711"))


def docx(text: str, *pictures: bytes, **parts: bytes) -> bytes:
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="png" ContentType="image/png"/><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_DOCX}"/></Types>'
    )
    relations = (
        f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    body = (
        f'<w:document xmlns:w="{_WORD}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p>'
        f"{''.join(_drawn(i) for i in range(len(pictures)))}</w:body></w:document>"
    )
    shown = "".join(
        f'<Relationship Id="p{i}" Type="{_OFFICE}/image" Target="media/picture{i}.png"/>'
        for i in range(len(pictures))
    )
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", relations)
        archive.writestr("word/document.xml", body)
        archive.writestr(
            "word/_rels/document.xml.rels",
            f'<Relationships xmlns="{_RELATIONS}">{shown}</Relationships>',
        )
        for i, picture in enumerate(pictures):
            archive.writestr(f"word/media/picture{i}.png", picture)
        for name, content in parts.items():
            archive.writestr(f"word/{name}", content)
    return data.getvalue()


def _drawn(number: int) -> str:
    return (
        f'<w:p><w:r><w:drawing><wp:inline xmlns:wp="{_DRAWING}/wordprocessingDrawing">'
        f'<wp:docPr id="{number + 1}" name="Picture {number}"/>'
        f'<a:graphic xmlns:a="{_DRAWING}/main"><a:graphicData uri="{_DRAWING}/picture">'
        f'<pic:pic xmlns:pic="{_DRAWING}/picture"><pic:blipFill><a:blip r:embed="p{number}" '
        f'xmlns:r="{_OFFICE}"/></pic:blipFill></pic:pic></a:graphicData></a:graphic>'
        "</wp:inline></w:drawing></w:r></w:p>"
    )


def parsed(folder: Path, name: str, data: bytes, **limits: int) -> tuple[Survey, list[Page]]:
    file = folder / "original"
    file.write_bytes(data)
    kind = recognise(file, name)
    if kind.parser == "plain":
        return plain.parse(file, name, 100)
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
        seconds=limits.get("seconds", 60),
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


def test_cells_read_as_a_person_sees_them(folder: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Costs 2024"
    sheet.append(["Costs of the harbour"])
    sheet.merge_cells("A1:D1")
    sheet.append(["Item", "Price", "Bought", "Paid"])
    sheet.append(["Rope", 2.5, datetime.date(2024, 3, 17), True])
    sheet.append(["Anchor", 190, datetime.datetime(2023, 12, 24, 18, 30), None])
    sheet.append(["Share", 0.15, None, "=B3+B4"])
    sheet["B5"].number_format = "0%"
    sheet["C8"], sheet["D8"] = "Hulls", "3"
    sheet["C9"], sheet["D9"] = "Masts", 0.1 + 0.2
    other = book.create_sheet("Notes")
    other["B2"] = "The crane is closed."
    data = io.BytesIO()
    book.save(data)
    _, [page] = parsed(folder, "costs.xlsx", data.getvalue())
    assert [(block.kind, block.text) for block in page.blocks] == [
        ("heading", "## Costs 2024"),
        ("text", "Costs of the harbour"),
        (
            "table",
            "| Item | Price | Bought | Paid |\n| --- | --- | --- | --- |\n"
            "| Rope | 2.5 | 2024-03-17 | TRUE |\n| Anchor | 190 | 2023-12-24 18:30 |  |\n"
            "| Share | 15% |  | =B3+B4 |",
        ),
        ("table", "| Hulls | 3 |\n| --- | --- |\n| Masts | 0.3 |"),
        ("heading", "## Notes"),
        ("text", "The crane is closed."),
    ]


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


def kinds(page: Page) -> list[str]:
    return [block.kind for block in page.blocks]


def shown(folder: Path, page: Page) -> list[tuple[int, int]]:
    """The sizes of a page's pictures, as they were kept."""
    names = [block.image for block in page.blocks if block.kind == "image"]
    return [_size(folder / "images" / str(name)) for name in names]


def _size(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


def test_pictures_in_a_letter(folder: Path) -> None:
    _, [page] = parsed(folder, "letter.docx", docx("The gate is this one.", _SIGN))
    assert kinds(page) == ["text", "image"]
    assert shown(folder, page) == [label("GATE 4711").size]


def test_a_letter_that_is_nothing_but_a_picture(folder: Path) -> None:
    _, [page] = parsed(folder, "scan.docx", docx("", _SIGN))
    assert kinds(page) == ["image"]


def test_pictures_on_slides_stay_on_theirs_and_a_logo_is_kept_once(folder: Path) -> None:
    talk = pptx.Presentation()
    other = png(label("PUMP 12", 40))
    for number in (1, 2, 3):
        slide = talk.slides.add_slide(talk.slide_layouts[5])
        slide.shapes.title.text = f"Slide about topic {number}"
        slide.shapes.add_picture(io.BytesIO(_SIGN), 0, 0)
        if number == 2:
            slide.shapes.add_picture(io.BytesIO(other), 0, 900_000)
    data = io.BytesIO()
    talk.save(data)
    _, pages = parsed(folder, "talk.pptx", data.getvalue())
    assert [kinds(page).count("image") for page in pages] == [1, 2, 1]
    assert sorted(shown(folder, pages[1])) == sorted(
        [label("GATE 4711").size, label("PUMP 12", 40).size]
    )
    assert len(list((folder / "images").iterdir())) == 2


def test_pictures_in_a_workbook(folder: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Part", "Stock"])
    book.active.append(["Bolt", 17])
    book.active.add_image(openpyxl.drawing.image.Image(io.BytesIO(_SIGN)), "D5")
    data = io.BytesIO()
    book.save(data)
    _, [page] = parsed(folder, "stock.xlsx", data.getvalue())
    assert "table" in kinds(page)
    assert shown(folder, page) == [label("GATE 4711").size]


def test_pictures_within_a_page_of_the_web(folder: Path) -> None:
    inside = base64.b64encode(_SIGN).decode()
    html = (
        f"<html><body><p>Before.</p><img alt='The gate at night' src='data:image/png;base64,"
        f"{inside}'><p>After.</p><img src='https://example.org/far.png' alt='far'></body></html>"
    )
    _, [page] = parsed(folder, "tide.html", html.encode())
    assert kinds(page) == ["text", "text", "image", "text", "text"]
    assert [block.text for block in page.blocks if block.text] == [
        "Before.",
        "The gate at night",
        "After.",
        "far",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"no picture at all",
        _SIGN[:200],
        png(label("x", 8).resize((20, 20))),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 200\n%%EndComments\nshowpage\n",
    ],
    ids=["no picture", "cut off", "small", "a program for a printer"],
)
def test_what_can_not_be_shown_is_left_out_and_the_text_is_read(folder: Path, data: bytes) -> None:
    _, [page] = parsed(folder, "letter.docx", docx("The lease ends in March.", data, _SIGN))
    assert kinds(page) == ["text", "image"]
    assert shown(folder, page) == [label("GATE 4711").size]


def test_a_picture_inside_that_grows_without_end_is_left_out(folder: Path) -> None:
    data = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(data, "PNG")
    _, [page] = parsed(folder, "letter.docx", docx("The lease ends.", data.getvalue()))
    assert kinds(page) == ["text"]


def test_heic(folder: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    data = io.BytesIO()
    heif.from_pillow(label("GATE 4711", 40)).save(data)
    survey, [page] = parsed(folder, "photo.heic", data.getvalue())
    assert survey.kind == "heic"
    assert shown(folder, page) == [label("GATE 4711", 40).size]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_text_in_its_encoding(folder: Path, encoding: str) -> None:
    _, [page] = parsed(folder, "text.txt", "数据库的索引让查询更快。".encode(encoding))
    assert page.blocks[0].text == "数据库的索引让查询更快。"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-16-le", "Der Jäger übernachtete im Gasthof, und niemand fragte ihn."),
        ("utf-16-be", "Der Jäger übernachtete im Gasthof, und niemand fragte ihn."),
        ("utf-32", "Der Jäger übernachtete im Gasthof."),
        ("cp1252", "El niño comió mañana – la señora también, São Paulo não."),
        ("cp1252", "Der Jäger übernachtete im Gasthof zum Rössl für 20 €."),
        ("cp1252", "La façade du café était décorée. Le garçon préféra le thé."),
        ("gbk", "会议纪要：采购部决定在七月更换供应商。"),
        ("big5", "會議記錄：採購部決定更換供應商。臺灣的鋼鐵廠在高雄。"),
        ("shift_jis", "会議の記録です。新しい工場は名古屋にあります。"),
        ("euc_kr", "회의 기록입니다. 새 공장은 서울에 있습니다."),
        ("cp1251", "Договор поставки номер двенадцать. Склад находится в Твери."),
    ],
)
def test_text_in_an_old_encoding_without_a_mark(encoding: str, text: str) -> None:
    assert encodings.decoded(text.encode(encoding)) == text


def test_fences_and_tables_of_markdown_stay_whole(folder: Path) -> None:
    text = b"# Head\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n```\ncode\n\nmore\n```\n"
    _, [page] = parsed(folder, "notes.md", text)
    assert [block.kind for block in page.blocks] == ["heading", "table", "text"]
    assert "code\n\nmore" in page.blocks[2].text


def test_an_archive_that_grows_without_end_is_refused(folder: Path) -> None:
    bomb = docx("Small.", **{"media.bin": bytes(200_000_000)})
    assert len(bomb) < 1_000_000
    assert reason(folder, "bomb.docx", bomb) == "unpacked_too_large"


@pytest.mark.parametrize(
    "entity", ['SYSTEM "file:///etc/hostname"', '"grows &amp; grows"'], ids=["a file", "a text"]
)
def test_a_letter_with_entities_of_its_own_is_refused(folder: Path, entity: str) -> None:
    notes = f"<!DOCTYPE n [<!ENTITY x {entity}>]><n>&x;</n>"
    assert reason(folder, "letter.docx", docx("Dear", **{"notes.xml": notes.encode()})) == (
        "damaged_file"
    )


@pytest.mark.parametrize("begun", ["![", "![](", "![](data:image/png;base64,", "<!--"])
def test_what_begins_without_end_and_closes_nothing_is_read_at_once(begun: str) -> None:
    """Hours, where each beginning is looked for an end of its own."""
    text = f"Here it is. {begun * 200_000}"
    left = office.without_comments(text)
    assert [part for part in office._INSIDE.split(left) if part] == [left]
    assert office._texts(left)[0].text.startswith("Here it is.")


def test_comments_are_no_text(folder: Path) -> None:
    page = b"<p>Kept.<!-- not --> And this. <!-- > nor --></p><p>Also <!-- this.</p>"
    _, [read] = parsed(folder, "page.html", page)
    assert "\n\n".join(block.text for block in read.blocks) == "Kept. And this.\n\nAlso this."


def test_names_within_an_archive_lead_nowhere(folder: Path) -> None:
    outside = folder.parent / "escaped.txt"
    letter = docx("Dear", **{"../../../escaped.txt": b"out", str(outside): b"out"})
    _, [page] = parsed(folder, "letter.docx", letter)
    assert page.blocks[0].text == "Dear"
    assert not outside.exists()


def test_more_text_than_anyone_reads_is_refused(folder: Path) -> None:
    assert reason(folder, "endless.txt", b"On and on. " * 100_000) == "too_many_pages"


def test_a_workbook_that_claims_all_its_cells_is_read_for_what_is_in_them(folder: Path) -> None:
    """Two cells, at the opposite corners of sixteen thousand million."""
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "first", "last"
    data = io.BytesIO()
    book.save(data)
    _, [page] = parsed(folder, "sparse.xlsx", data.getvalue())
    assert [block.text for block in page.blocks] == ["## Sheet", "first", "last"]


def test_a_tiff_whose_pages_go_round_in_a_circle_ends(folder: Path) -> None:
    data = io.BytesIO()
    Image.new("L", (80, 80), 200).save(data, "TIFF")
    made = bytearray(data.getvalue())
    first = int.from_bytes(made[4:8], "little")
    entries = int.from_bytes(made[first : first + 2], "little")
    after = first + 2 + 12 * entries
    made[after : after + 4] = first.to_bytes(4, "little")
    survey, pages = parsed(folder, "circle.tiff", bytes(made))
    assert survey.pages == len(pages) == 1


def test_a_page_of_the_web_that_is_nested_without_end_is_read(folder: Path) -> None:
    _, [page] = parsed(folder, "deep.html", b"<html><body>" + b"<div>" * 5_000 + b"deep")
    assert "deep" in page.blocks[0].text


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
        (
            "secret.xlsx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "\0EncryptedPackage".encode("utf-16-le"),
            "encrypted_file",
        ),
        ("tool.txt", b"\x7fELF" + bytes(100), "unsupported_file"),
        ("data.txt", b"text\0with zeros", "unsupported_file"),
        ("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(50), "damaged_file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_read_says_why(folder: Path, name: str, data: bytes, code: str) -> None:
    assert reason(folder, name, data) == code
