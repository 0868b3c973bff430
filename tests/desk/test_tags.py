"""Tags: three to seven, in the document's language, none that fits any document."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.desk.documents.tagging import FEWEST, GENERIC, MOST, settled
from mlxd.desk.documents.words import fold

from .service import Service

pytestmark = pytest.mark.timeout(600)

TEXT = (
    "Solar panels on the roof of the school deliver electricity. The batteries in the cellar "
    "keep the electricity for the night. Many parents asked about the costs of the batteries."
)
CHINESE = "太阳能电池板在学校屋顶上发电。地下室的电池储存电力。许多家长询问电池的费用。"


def test_generic_tags_are_left_out() -> None:
    made = settled(["document", "Solar panels", "Information", "batteries"], TEXT, [])
    assert made[:2] == ["Solar panels", "batteries"]
    assert not GENERIC & {fold(tag) for tag in made}


def test_common_words_and_words_of_the_question_are_left_out() -> None:
    text = "La façade du café. The format of a film is 35 mm, and IT runs the cinema."
    said = ["la", "As", "So", "generic ones", "ones", "own_language", "format", "IT", "cinema"]
    assert settled(said, text, []) == ["format", "IT", "cinema"]


def test_an_existing_tag_is_used_where_it_means_the_same() -> None:
    made = settled(["solar panel", "Battery", "school"], TEXT, ["Solar panels", "batteries"])
    assert made == ["Solar panels", "batteries", "school"]


def test_tags_are_in_the_documents_language() -> None:
    made = settled(["electricity", "太阳能", "电池", "school"], CHINESE, [])
    assert "太阳能" in made
    assert "electricity" not in made
    assert "太阳能" not in settled(["太阳能", "school"], TEXT, [])


@given(st.lists(st.text(max_size=50), max_size=12))
def test_whatever_a_model_says_there_are_three_to_seven(suggested: list[str]) -> None:
    made = settled(suggested, TEXT, [])
    assert FEWEST <= len(made) <= MOST
    assert len({fold(tag) for tag in made}) == len(made)


@pytest.fixture(scope="module")
def tagging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("tags"))
    yield made
    assert made.end() == 0


def test_a_model_gives_tags_and_people_rename_them(tagging: Service, folder: Path) -> None:
    [taken] = tagging.indexed(("solar.txt", TEXT.encode()))
    [order] = [
        job for job in tagging.get("/jobs", document=taken["id"])["jobs"] if job["kind"] == "tags"
    ]
    assert tagging.until_state(order["id"], "done", "failed")["state"] == "done"
    found = tagging.get(f"/documents/{taken['id']}")["tags"]
    assert FEWEST <= len(found) <= MOST
    listed = tagging.get("/tags")["tags"]
    assert {"tag": found[0], "documents": 1} in listed
    tagging.post("/tags/merge", {"tags": found[:2], "to": "energy at school"})
    after = tagging.get(f"/documents/{taken['id']}")["tags"]
    assert "energy at school" in after
    assert not set(found[:2]) & set(after)
    [hit] = tagging.search("batteries", tag=["energy at school"])
    assert hit["document"]["id"] == taken["id"]
    assert tagging.search("batteries", tag=["energy at school", "no such tag"]) == []


def test_a_persons_tags_stay(tagging: Service) -> None:
    [taken] = tagging.indexed(("bridge.txt", b"The bridge over the river is closed for repairs."))
    tagging.post(f"/documents/{taken['id']}/tags", {"tags": ["roads"]})
    assert "roads" in tagging.get(f"/documents/{taken['id']}")["tags"]
