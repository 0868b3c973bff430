"""Pages of documents as pictures, in the units of the boxes that a search gives."""

from io import BytesIO

from PIL import Image

from .papers import Paper
from .service import Service


def test_a_page_is_shown_and_what_was_found_lies_on_it(service: Service) -> None:
    paper = Paper().text("The observatory of Zedrin counts forty domes.")
    [taken] = service.indexed(("zedrin.pdf", paper.bytes()))
    document = taken["id"]
    found = service.search("observatory Zedrin")[0]
    number, box = found["parent"]["page"], found["parent"]["box"]
    assert number == 1
    answer = service.http.get(f"/documents/{document}/pages/1.png")
    assert answer.headers["content-type"] == "image/png"
    width, height = map(float, answer.headers["x-page-size"].split())
    assert 0 <= box[0] < box[2] <= width
    assert 0 <= box[1] < box[3] <= height
    picture = Image.open(BytesIO(answer.content)).convert("L")
    scale = picture.width / width
    inside = picture.crop([round(edge * scale) for edge in box])
    assert inside.getextrema()[0] < 100, "the text is where the box is"
    above = picture.crop((0, 0, picture.width, max(1, round((box[1] - 4) * scale))))
    assert above.getextrema()[0] > 200, "and not elsewhere"
    for absent in ("0", "2", "99999999"):
        refused = service.http.get(f"/documents/{document}/pages/{absent}.png")
        assert refused.status_code == 404
        assert "no page" in refused.json()["error"]["message"]
    assert service.http.get(f"/documents/{document}/pages/-1.png").status_code == 404


def test_what_has_no_pages_says_so(service: Service) -> None:
    [taken] = service.indexed(("plain.txt", b"Only words."))
    answer = service.http.get(f"/documents/{taken['id']}/pages/1.png")
    assert answer.status_code == 404
    assert "not divided into pages" in answer.json()["error"]["message"]
    assert service.http.get("/documents/nothing/pages/1.png").status_code == 404
