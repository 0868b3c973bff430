"""The index by itself: what its structures find is what a look at everything finds."""

from pathlib import Path

import numpy as np

from mlxd.desk.documents.index import Index, Row, Vectors, index_vectors, open_table

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
    rows = [Row(str(i), *place, "text", "text", one.tolist()) for i, one in enumerate(vectors)]
    index.replace(["document"], rows)
    index_vectors(open_table(tmp_path, shared=True))

    indexed = Index(tmp_path, shared=False)
    right = 0
    for _ in range(QUESTIONS):
        question = vectors[dice.integers(ROWS)] + dice.standard_normal(DIMENSION) * 0.1
        nearest = np.argsort(-(vectors @ question))[:NEAREST]
        found = {hit.id for hit in indexed.by_vector(question.tolist(), NEAREST, None)}
        right += len(found & {str(i) for i in nearest})
    assert right / (QUESTIONS * NEAREST) >= LEAST_FOUND
