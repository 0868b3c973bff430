"""Vectors come with a model for them: also for what was there before it, and without it the words
alone do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .service import Service, eventually

pytestmark = pytest.mark.timeout(600)

TEXTS = {
    "dog.txt": b"A puppy was barking in the garden all night long.",
    "tax.txt": b"The deadline for the income declaration is the end of July.",
    "ship.txt": b"A vessel left the harbour with containers on board.",
}


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory, minilm: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("vectors")
    models = ("--model", "pilot", "--model", str(minilm))
    made = Service(folder, *models, MLXD_DOCUMENTS_TAGS="off")
    yield made
    assert made.end() == 0


def filled(service: Service) -> bool | None:
    """Whether all that was given vectors, or was to be, has them."""
    found = [job for job in service.get("/jobs")["jobs"] if job["kind"] == "vectors"]
    assert not [job for job in found if job["state"] == "failed"], found
    return bool(found) and all(job["state"] == "done" for job in found)


def best(service: Service, question: str) -> str:
    return str(service.search(question)[0]["document"]["name"])


def test_vectors_are_made_once_there_is_a_model(vectors: Service) -> None:
    model = vectors.get("/models/capabilities")["capabilities"]["embedding"]["model_id"]
    vectors.assign("embedding", None)
    vectors.indexed(*TEXTS.items())
    alone = vectors.post("/search", {"query": "hound"})
    assert alone["mode"] == "text"
    assert alone["results"] == []
    assert "embedding" in alone["notes"][0]

    vectors.assign("embedding", model)
    eventually(lambda: filled(vectors))
    found = vectors.post("/search", {"query": "a dog making noise"})
    assert found["mode"] == "hybrid"
    assert found["notes"] == []
    assert found["results"][0]["document"]["name"] == "dog.txt"
    assert best(vectors, "when do I have to file my taxes") == "tax.txt"
    assert best(vectors, "freight on the sea") == "ship.txt"

    vectors.indexed(("cake.txt", b"Bake it for an hour at a moderate heat."))
    assert best(vectors, "recipe with an oven") == "cake.txt"


def test_vectors_are_there_after_a_restart(vectors: Service) -> None:
    """The table has a column more by then than it began with."""
    vectors.end()
    vectors.start()
    found = vectors.post("/search", {"query": "a dog making noise"})
    assert found["mode"] == "hybrid"
    assert found["results"][0]["document"]["name"] == "dog.txt"


def test_a_text_of_more_tokens_than_the_model_takes_keeps_no_other_from_its_vector(
    vectors: Service,
) -> None:
    """The model knows single letters of this script, so that each is a token."""
    river = "Холодное северное полярное " * 40
    vectors.indexed(
        ("river.txt", river.encode()),
        ("contents.txt", b"The orchard " + b". " * 3_000 + b"7"),
        ("bees.txt", b"The hive hums under the lime tree."),
    )
    assert best(vectors, "insects that make honey") == "bees.txt"
    [hit] = [
        one
        for one in vectors.search("северное", limit=10)
        if one["document"]["name"] == "river.txt"
    ]
    assert "vector" in hit["matched"]
