"""PDFs of our own making: what stands where, in which order, and which pages are pictures."""

import io
from pathlib import Path

import msgspec
import pypdfium2 as pdfium
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from mlxd.desk.documents.parse import Extraction, extract, grid, layout
from mlxd.desk.documents.parse.layout import Piece
from mlxd.desk.documents.parse.pages import LARGEST_PIXELS
from mlxd.desk.documents.pieces import Page, Survey, Unreadable

from .papers import Paper, label

LEFT = [f"Left line {i} goes on about geese and" for i in range(12)]
RIGHT = [f"Right line {i} tells of ducks and" for i in range(9)]


def request(folder: Path, data: bytes, **limits: int) -> Extraction:
    file = folder / "paper.pdf"
    file.write_bytes(data)
    return Extraction(
        file=str(file),
        name="paper.pdf",
        parser="pdf",
        out=str(folder / "out"),
        images=str(folder / "images"),
        page_limit=limits.get("page_limit", 100),
        pixel_limit=10**8,
        unpacked_limit=10**9,
        image_side=64,
        memory=1 << 30,
        seconds=60,
    )


def parsed(folder: Path, paper: Paper) -> tuple[Survey, list[Page]]:
    survey = extract(request(folder, paper.bytes()), lambda: False)
    assert survey is not None
    files = sorted((folder / "out").glob("page-*.json"))
    return survey, [msgspec.json.decode(file.read_bytes(), type=Page) for file in files]


def refused(folder: Path, data: bytes, **limits: int) -> Unreadable:
    with pytest.raises(Unreadable) as raised:
        extract(request(folder, data, **limits), lambda: False)
    return raised.value


def test_columns_are_read_one_after_the_other(folder: Path) -> None:
    paper = Paper().title("A title that goes over both of the columns of this page")
    paper.columns(LEFT, RIGHT).text("Below the columns a last line goes over the whole page again.")
    _, [page] = parsed(folder, paper)
    texts = [block.text for block in page.blocks]
    assert [block.kind for block in page.blocks] == ["heading", "text", "text", "text"]
    assert texts[1] == " ".join(LEFT)
    assert texts[2] == " ".join(RIGHT)
    assert texts[3].startswith("Below")


def test_words_that_were_broken_are_whole(folder: Path) -> None:
    _, [page] = parsed(folder, Paper().text("The committee was re-", "organised in the end."))
    assert page.blocks[0].text == "The committee was reorganised in the end."


@pytest.mark.parametrize("ruled", [True, False], ids=["with lines", "without lines"])
def test_tables_become_markdown(folder: Path, ruled: bool) -> None:
    rows = [["City", "Country", "People"], ["Oslo", "Norway", "700"], ["Turin", "Italy", "850"]]
    paper = Paper().text("Above the table.").table(rows, ruled=ruled).text("Below the table.")
    _, [page] = parsed(folder, paper)
    assert [block.kind for block in page.blocks] == ["text", "table", "text"]
    assert page.blocks[1].text.splitlines() == [
        "| City | Country | People |",
        "| --- | --- | --- |",
        "| Oslo | Norway | 700 |",
        "| Turin | Italy | 850 |",
    ]


def test_a_table_of_two_columns_without_lines_is_one() -> None:
    before = ["The last line of a paragraph may be short, and stands above a", "gutter."]
    pieces = [
        Piece(text, (60, y, 60 + 7 * len(text), y + 12))
        for text, y in zip(before, (50, 64), strict=True)
    ]
    for i, row in enumerate([("Year", "Guests"), ("1999", "12 000"), ("2004", "17 500")]):
        y = 100 + 18 * i
        places = zip(row, (184, 304), strict=True)
        pieces += [Piece(text, (x, y, x + 40, y + 12)) for text, x in places]
    assert [one.kind for one in layout.blocks(pieces)] == ["text", "table"]


def test_text_is_read_whichever_way_it_runs_and_has_its_place_on_the_page_as_shown(
    folder: Path,
) -> None:
    data = io.BytesIO()
    canvas = Canvas(data, pagesize=(400, 600))
    # Upright, running up, upside down and running down, at the same place of the page as shown.
    for turn in (0, 90, 180, 270):
        height = 400 if turn % 180 else 600
        canvas.translate(*{0: (0, 0), 90: (400, 0), 180: (400, 600), 270: (0, 600)}[turn])
        canvas.rotate(turn)
        canvas.drawString(50, height - 100, f"The ferry leaves pier {turn} at dawn.")
        canvas.drawString(50, height - 114, "Nobody waits for it.")
        canvas.showPage()
    canvas.drawString(50, 500, "The ferry leaves at noon.")
    canvas.rotate(90)
    canvas.drawString(100, -380, "Printed in May")
    canvas.showPage()
    canvas.setCropBox((0, 300, 400, 600))
    canvas.drawString(50, 500, "What is seen.")
    canvas.drawString(50, 100, "What was cut off.")
    canvas.save()
    book = pdfium.PdfDocument(data.getvalue())
    for number, turn in enumerate((0, 90, 180, 270)):
        book[number].set_rotation(turn)
    shown = io.BytesIO()
    book.save(shown)
    assert extract(request(folder, shown.getvalue()), lambda: False) is not None
    files = sorted((folder / "out").glob("page-*.json"))
    *turned, edged, cut = [msgspec.json.decode(file.read_bytes(), type=Page) for file in files]
    for turn, page in zip((0, 90, 180, 270), turned, strict=True):
        [block] = page.blocks
        assert block.text == f"The ferry leaves pier {turn} at dawn. Nobody waits for it."
        assert page.size == ((600, 400) if turn % 180 else (400, 600))
        assert block.box is not None
        assert block.box[:2] == pytest.approx((50, 90), abs=4)
        assert block.box[3] == pytest.approx(117, abs=4)
    assert [one.text for one in edged.blocks] == ["The ferry leaves at noon.", "Printed in May"]
    edge = edged.blocks[1].box
    assert edge is not None
    assert 360 < edge[0] < edge[2] < 385
    assert edge[3] == pytest.approx(500, abs=2)
    assert [one.text for one in cut.blocks] == ["What is seen."]


def test_what_is_written_into_a_form_is_read(folder: Path) -> None:
    data = io.BytesIO()
    canvas = Canvas(data)
    canvas.drawString(70, 740, "Name of the boat:")
    canvas.acroForm.textfield(name="boat", value="Silver Heron", x=200, y=730, width=200, height=20)
    canvas.save()
    extract(request(folder, data.getvalue()), lambda: False)
    [file] = (folder / "out").glob("page-*.json")
    page = msgspec.json.decode(file.read_bytes(), type=Page)
    assert [one.text for one in page.blocks] == ["Name of the boat: Silver Heron"]


def test_a_drawing_of_lines_without_end_is_no_table() -> None:
    def lines(count: int) -> list[grid.Line]:
        return [grid.Line(at * 5.0, 0.0, count * 5.0) for at in range(count)]

    assert len(grid.grids(lines(20), lines(20))) == 1
    assert grid.grids(lines(1_200), lines(1_200)) == []


def test_pictures_are_cut_out_with_their_place(folder: Path) -> None:
    paper = Paper().text("The gauge in hall 7.").picture(label("GAUGE 5523"), width=200)
    _, [page] = parsed(folder, paper)
    text, image = page.blocks
    assert image.kind == "image"
    assert image.image is not None
    assert (folder / "images" / image.image).stat().st_size > 0
    assert image.box is not None
    assert text.box is not None
    assert image.box[2] - image.box[0] == pytest.approx(200, abs=1)
    assert image.box[1] > text.box[3]


def test_a_page_that_is_a_picture_is_rendered(folder: Path) -> None:
    paper = Paper().text("A page of text, which is long enough to be one and has more to say.")
    survey, [first, second] = parsed(folder, paper.page().scan("The code is 8841"))
    assert survey.pages == 2
    assert first.picture is None
    assert second.picture is not None
    assert (folder / "images" / second.picture).exists()


def test_an_encrypted_file_says_so(folder: Path) -> None:
    error = refused(folder, Paper(password="secret").text("Nothing to see.").bytes())
    assert error.code == "encrypted_file"
    assert "password" in str(error)


def test_a_damaged_file_says_so(folder: Path) -> None:
    data = Paper().text("A line.").bytes()
    assert refused(folder, b"%PDF-1.7\n" + data[400:700]).code == "damaged_file"


def test_too_many_pages_are_refused(folder: Path) -> None:
    paper = Paper()
    for number in range(5):
        paper.text(f"Page {number}").page()
    error = refused(folder, paper.bytes(), page_limit=3)
    assert error.code == "too_many_pages"
    assert "documents.page_limit" in str(error)


def test_what_was_read_once_is_not_read_again(folder: Path) -> None:
    wanted = request(folder, Paper().text("Once.").bytes())
    extract(wanted, lambda: False)
    Path(wanted.file).unlink()
    assert extract(wanted, lambda: False) is not None


def test_a_parser_that_takes_too_long_is_ended(folder: Path) -> None:
    wanted = request(folder, Paper().text("Slow.").bytes())
    with pytest.raises(Unreadable) as raised:
        extract(msgspec.structs.replace(wanted, seconds=0.0), lambda: False)
    assert raised.value.code == "parse_timeout"


def test_a_stopped_job_ends_its_parser(folder: Path) -> None:
    assert extract(request(folder, Paper().text("Stop.").bytes()), lambda: True) is None


def test_a_page_as_large_as_a_town_is_read_as_a_small_picture(folder: Path) -> None:
    data = io.BytesIO()
    canvas = Canvas(data, pagesize=(100_000, 100_000))
    canvas.drawImage(ImageReader(label("TOWN")), 0, 0, width=100_000, height=100_000)
    canvas.save()
    survey = extract(request(folder, data.getvalue()), lambda: False)
    assert survey is not None
    assert survey.pages == 1
    for picture in (folder / "images").iterdir():
        with Image.open(picture) as opened:
            assert opened.width * opened.height <= LARGEST_PIXELS


def test_a_picture_that_lies_about_its_size_spoils_nothing_else(folder: Path) -> None:
    picture = label("SIGN")
    paper = Paper().text("The text beside the lie is read.").picture(picture).bytes()
    claimed = f"/Width {picture.width}".encode()
    assert paper.count(claimed) == 1
    lying = paper.replace(claimed, b"/Width 900000")
    survey = extract(request(folder, lying), lambda: False)
    assert survey is not None
    [file] = (folder / "out").glob("page-*.json")
    page = msgspec.json.decode(file.read_bytes(), type=Page)
    assert page.blocks[0].text == "The text beside the lie is read."
