"""How much of what is nearest the vector index finds, with vectors that a model made of texts.

python -m bench.recall --embedding FOLDER        some minutes on two cores
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlxd.desk.documents.index import ROWS_FOR_VECTOR_INDEX, Index, Row, Vectors

from .documents import serving

# Just enough for an index of vectors to be made.
TEXTS = ROWS_FOR_VECTOR_INDEX + 1_000
QUESTIONS = 300
NEAREST = 10
TOGETHER = 64

WORDS = """\
ferry museum library baker surgeon orchestra brewery school farm court harbour choir
repaired sold painted closed described measured visited rebuilt lost found moved hid
old northern wooden public quiet broken famous narrow empty modern distant
bridge letter garden engine ledger window lamp map violin roof contract telescope
"""
PLACES = """\
at the river, in Lisbon, near the station, under the hill, on the island, beside the mill
in winter, last year, before dawn, in 1912, on Sunday, after the storm, during the strike
"""
WHO, DID, HOW, WHAT = (line.split() for line in WORDS.splitlines())
WHERE, WHEN = (line.split(", ") for line in PLACES.splitlines())

Matrix = npt.NDArray[np.float32]


def sentences(count: int) -> list[str]:
    """No two alike."""
    dice = random.Random(11)
    made: dict[str, None] = {}
    while len(made) < count:
        who, did, how, what = (dice.choice(one) for one in (WHO, DID, HOW, WHAT))
        place, time_ = dice.choice(WHERE), dice.choice(WHEN)
        other = f"{dice.choice(HOW)} {dice.choice(WHO)}"
        made[f"The {other} and the {who} {did} the {how} {what} {place} {time_}."] = None
    return list(made)


def embedded(folder: Path, model: str, texts: list[str]) -> Matrix:
    rows: list[list[float]] = []
    with serving(folder, model) as service:
        for start in range(0, len(texts), TOGETHER):
            part = texts[start : start + TOGETHER]
            answer = service.post("/v1/embeddings", {"model": "embedding", "input": part})
            rows += [one["embedding"] for one in answer["data"]]
    return np.array(rows, np.float32)


def indexed(folder: Path, vectors: Matrix) -> Index:
    index = Index(folder, shared=False)
    index.use_vectors(Vectors("bench", vectors.shape[1]))
    for start in range(0, len(vectors), 5_000):
        numbers = range(start, min(start + 5_000, len(vectors)))
        same = ("window", "text", "text", 1.0, "text", "text")
        rows = [Row(f"{i}", f"{i}", f"{i}", *same, vectors[i]) for i in numbers]
        index.replace([row.document for row in rows], rows)
    index.keep_up()
    return index


async def found(index: Index, question: Matrix) -> tuple[set[int], float]:
    began = time.perf_counter()
    numbers = await index.by_vector(question, NEAREST, None)
    took = time.perf_counter() - began
    return {int(hit.id) for hit in (await index.hits(numbers)).values()}, took


def measure(folder: Path, model: str) -> dict[str, Any]:
    made = embedded(folder / "service", model, sentences(TEXTS + QUESTIONS))
    vectors, questions = made[:TEXTS], made[TEXTS:]
    index = indexed(folder / "index", vectors)
    right, times = [], []
    for question in questions:
        nearest = set(np.argsort(-(vectors @ question))[:NEAREST].tolist())
        those, took = asyncio.run(found(index, question))
        right.append(len(those & nearest) / NEAREST)
        times.append(took * 1000)
    return {
        "vectors": len(vectors),
        "dimension": vectors.shape[1],
        "questions": len(questions),
        f"recall at {NEAREST}": statistics.mean(right),
        "of the worst question": min(right),
        "questions with all": sum(one == 1 for one in right) / len(right),
        "median ms": statistics.median(times),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.recall", description=__doc__)
    parser.add_argument("--embedding", required=True, help="folder of a model for vectors")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-recall-") as folder:
        print(json.dumps(measure(Path(folder), args.embedding), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
