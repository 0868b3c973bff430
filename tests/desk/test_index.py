"""The index by itself: what its structures find is what a look at everything finds."""

import asyncio
from pathlib import Path

import numpy as np

from mlxd.desk.documents.index import Index, Row, Vectors, index_vectors, open_table
from mlxd.desk.documents.search import fused, portions
from mlxd.desk.models import Vector

ROWS, DIMENSION, QUESTIONS, NEAREST = 1_500, 96, 40, 10
# Of the ten that are nearest.
LEAST_FOUND = 0.95


def test_the_vector_index_finds_what_is_nearest(tmp_path: Path) -> None:
    """With numbers of no order, where many are about as near: harder than vectors of texts."""
    dice = np.random.default_rng(7)
    vectors = dice.standard_normal((ROWS, DIMENSION)).astype("float32")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = Index(tmp_path, shared=False)
    index.use_vectors(Vectors("numbers", DIMENSION))
    place = ("document", "parent", "window", "text", "text", 1.0)
    rows = [Row(str(i), *place, "text", "text", one) for i, one in enumerate(vectors)]
    index.replace(["document"], rows)
    index_vectors(open_table(tmp_path, shared=True))

    indexed = Index(tmp_path, shared=False)
    right = 0
    for _ in range(QUESTIONS):
        question = vectors[dice.integers(ROWS)] + dice.standard_normal(DIMENSION) * 0.1
        nearest = np.argsort(-(vectors @ question))[:NEAREST]
        found = asyncio.run(ids_by_vector(indexed, question.astype("float32")))
        right += len(found & {str(i) for i in nearest})
    assert right / (QUESTIONS * NEAREST) >= LEAST_FOUND


async def ids_by_vector(index: Index, question: Vector) -> set[str]:
    hits = await index.hits(await index.by_vector(question, NEAREST, None))
    return {hit.id for hit in hits.values()}


def ids(index: Index, rows: list[int]) -> set[str]:
    return {hit.id for hit in asyncio.run(index.hits(rows)).values()}


def by_words(index: Index, question: str) -> list[int]:
    return asyncio.run(index.by_words(question, 10, None))


def test_rows_that_are_gone_or_were_moved_are_left_out(tmp_path: Path) -> None:
    """So that a search that meets a change is made again, and never shows another row's text."""
    index = Index(tmp_path, shared=False)
    for name in ("old", "other"):
        index.replace([name], [_row(name, number, "first") for number in range(3)])
    found = by_words(index, "first")
    assert ids(index, found) == {f"{one}{i}first" for one in ("old", "other") for i in range(3)}
    index.replace(["old"], [_row("old", number, "second") for number in range(3)])
    assert ids(index, found) == {f"other{i}first" for i in range(3)}
    # Few as they are: the index's own count of words does not know them.
    assert (index.needs_upkeep(2.0), index.needs_upkeep(60.0)) == (False, True)
    index.keep_up()
    assert not index.needs_upkeep(60.0)
    assert all(one.startswith("other") for one in ids(index, found))
    assert ids(index, by_words(index, "first")) == {f"other{i}first" for i in range(3)}


def _row(document: str, number: int, word: str) -> Row:
    place = (document, f"{document}{word}", "window", "text", "text", 1.0)
    return Row(f"{document}{number}{word}", *place, word, word)


def test_of_equal_scores_none_is_read_without_the_others() -> None:
    """Which of them is shown depends on what is in them, not on the number that a row has now."""
    scores = fused([[7, 3, 9, 1], [8, 3, 2, 1]])
    assert [sorted(rows) for rows in portions(scores, 1)] == [[3], [1], [7, 8], [2, 9]]
    assert [sorted(rows) for rows in portions(scores, 3)] == [[1, 3, 7, 8], [2, 9]]
    assert list(portions(fused([[], []]), 3)) == []
