"""Pictures of text become text, without lines lost or doubled where tiles meet."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from mlxd.desk.documents import tiles
from mlxd.desk.documents.ocr import Line, stitched

from .papers import Paper, label, png
from .service import Service

LINES = [f"{word} {number}" for number, word in enumerate(["Gauge", "Valve", "Pump"] * 12, 10)]


def covered(picture: Image.Image) -> list[tuple[int, int]]:
    """Rows of each tile, which together are to hold every line once."""
    return [(part.top, part.bottom) for part in tiles.parts(picture)]


def test_tiles_are_cut_between_lines() -> None:
    picture = label("\n".join(LINES), 30, width=1240)
    parts = tiles.parts(picture)
    assert len(parts) > 1
    assert sum(len(part.lines) for part in parts) == len(LINES)
    for above, below in itertools.pairwise(parts):
        assert above.bottom <= below.top
    for part in parts:
        assert (part.right - part.left) * (part.bottom - part.top) <= tiles.TILE_PIXELS


def test_columns_are_tiles_of_their_own() -> None:
    page = Image.new("RGB", (1240, 900), "white")
    page.paste(
        label("\n".join(f"Line {i} on the left side tells of geese" for i in range(12)), 28),
        (20, 40),
    )
    page.paste(
        label("\n".join(f"Line {i} on the right side is on ducks" for i in range(12)), 28),
        (660, 40),
    )
    parts = tiles.parts(page)
    sides = ["left" if part.right < 660 else "right" for part in parts]
    assert sides == sorted(sides)
    assert {"left", "right"} == set(sides)


def test_print_without_gaps_is_cut_with_an_overlap() -> None:
    dense = Image.effect_noise((600, 2000), 120).convert("RGB")
    parts = tiles.parts(dense)
    assert len(parts) > 1
    for above, below in itertools.pairwise(parts):
        assert below.torn
        assert below.top < above.bottom


@pytest.mark.parametrize("round_by", [0, 30])
def test_a_frame_around_print_is_left_out(round_by: int) -> None:
    plate = Image.new("RGB", (800, 300), "#cfe8ff")
    drawn = ImageDraw.Draw(plate)
    drawn.text((200, 120), "SHELF 4711", fill="black", font_size=48)
    printed = tiles.unframed(plate)
    assert printed is plate
    drawn.rounded_rectangle((10, 10, 789, 289), round_by, outline="black", width=5)
    [[line]] = [part.lines for part in tiles.parts(tiles.unframed(plate))]
    assert line[3] - line[1] < 60
    [part] = tiles.parts(plate)
    [[left, top, right, bottom]] = part.lines
    assert 190 < left < right < 600
    assert 110 < top < bottom < 190


def test_what_has_something_around_it_or_nothing_in_it_is_no_frame() -> None:
    chart = Image.new("RGB", (400, 300), "white")
    drawn = ImageDraw.Draw(chart)
    drawn.rectangle((50, 20, 380, 250), outline="black", width=2)
    assert tiles.unframed(chart) is chart
    drawn.rectangle((90, 120, 120, 240), fill="black")
    drawn.text((200, 265), "hours", fill="black", font_size=20)
    assert tiles.unframed(chart) is chart


def test_an_empty_page_has_no_tiles() -> None:
    assert tiles.parts(Image.new("RGB", (800, 800), "white")) == []


words = st.lists(
    st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=12, max_size=30),
    min_size=2,
    max_size=20,
    unique_by=lambda word: word[:6],
)


@given(words, st.data())
def test_seams_neither_lose_nor_double_a_line(texts: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(texts) - 1))
    overlap = data.draw(st.integers(0, min(3, at)))
    above = [Line(text) for text in texts[:at]]
    below = [Line(text) for text in texts[at - overlap :]]
    assert [line.text for line in stitched(above, below)] == texts


def test_a_line_that_was_cut_through_is_taken_from_where_it_is_whole() -> None:
    above = [Line("the first line of it"), Line("the second line of it"), Line("tbe tbir")]
    below = [Line("the second line of it"), Line("the third line of it")]
    assert [line.text for line in stitched(above, below)] == [
        "the first line of it",
        "the second line of it",
        "the third line of it",
    ]


def test_a_scan_is_read(service: Service) -> None:
    file = Paper().scan("Delivery note 8841\nSeven boxes of bolts", 40).bytes()
    answer = service.http.post("/ocr", files={"file": ("scan.pdf", file)}, data={"format": "text"})
    assert answer.text == "Delivery note 8841\nSeven boxes of bolts\n"


def test_lines_come_with_their_place(service: Service) -> None:
    picture = png(label("Meter 4711\nHall 7"))
    answer = service.http.post("/ocr", files={"file": ("meter.png", picture)}).json()
    [page] = answer["pages"]
    assert [line["text"] for line in page["lines"]] == ["Meter 4711", "Hall 7"]
    first, second = (line["box"] for line in page["lines"])
    assert first[3] <= second[1]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("photo.png", b"\x89PNG\r\n\x1a\nbroken", "damaged_file"),
        ("photo.png", b"%PDF-1.7 is no picture", "mislabelled_file"),
        ("text.txt", b"no picture at all", "unsupported_file"),
        ("nothing.png", b"", "empty_file"),
    ],
)
def test_what_is_no_picture_is_refused(service: Service, name: str, data: bytes, code: str) -> None:
    answer = service.http.post("/ocr", files={"file": (name, data)})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


def test_the_command_reads_several_and_names_what_it_could_not(
    service: Service, folder: Path
) -> None:
    (folder / "good.png").write_bytes(png(label("Locker 305")))
    (folder / "bad.png").write_bytes(b"nothing of a picture")
    command = [sys.executable, "-m", "mlxd", "ocr", "good.png", "bad.png", "--format", "json"]
    done = subprocess.run(
        [*command, "--data-dir", str(service.data)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "bad.png" in done.stderr
    [read] = json.loads(done.stdout)
    assert read["pages"][0]["text"] == "Locker 305"
