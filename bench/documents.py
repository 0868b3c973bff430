"""How fast documents are read and found, and what that does to everything else.

python -m bench.documents                        everything: about a quarter of an hour on two cores
python -m bench.documents intake search          only these
"""

import argparse
import json
import math
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.desk.kills import chunks, disturbed
from tests.desk.kills import documents as mixture
from tests.desk.papers import Paper, label
from tests.desk.service import Service

from . import machine

RESULTS = Path(__file__).parent / "results"
MB = 1_000_000
DOCUMENTS = 1_000
DOCUMENT_BYTES = 2_000
CHUNKS = 100_000
DIMENSION = 384
SEARCHES = 200
UPLOAD_MB = 500
KILLED_DOCUMENTS = 50
KILLS = 20
PAPERS = 24
CHATS = 12
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
WORDS = 20_000

Found = dict[str, Any]


@contextmanager
def serving(folder: Path, *models: str, **settings: str) -> Iterator[Service]:
    settings = {"MLXD_DOCUMENTS_TAGS": "off", **settings}
    service = Service(folder, *(part for one in models for part in ("--model", one)), **settings)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.end(signal.SIGTERM)


def vocabulary(dice: random.Random) -> list[str]:
    """Made-up words, used as often as words are: the second half as often as the first, and so
    on."""
    return ["".join(dice.choices(LETTERS.lower(), k=dice.randint(3, 10))) for _ in range(WORDS)]


def prose(dice: random.Random, known: Sequence[str], size: int) -> str:
    made: list[str] = []
    length = 0
    while length < size:
        word = known[int(WORDS ** dice.random()) - 1]
        if made and len(made) % 12 == 11:
            word += "."
        made.append(word)
        length += len(word) + 1
    return " ".join(made)[:size]


def until_read(service: Service) -> None:
    while True:
        counts = service.get("/jobs", limit=1)["counts"]
        if not any(counts.get(state) for state in ("queued", "running", "waiting")):
            return
        time.sleep(0.1)  # a tenth of a second among a minute; asking more often would cost the desk


def intake(folder: Path) -> Found:
    """Text documents, from the first byte sent until the last is found."""
    dice = random.Random(1)
    known = vocabulary(dice)
    texts = [prose(dice, known, DOCUMENT_BYTES).encode() for _ in range(DOCUMENTS)]
    with serving(folder) as service:
        service.indexed(("warm.txt", b"The desk is started before the clock is."))
        began = time.perf_counter()
        for start in range(0, DOCUMENTS, 100):
            batch = texts[start : start + 100]
            service.add(*((f"{start + i}.txt", text) for i, text in enumerate(batch)))
        sent = time.perf_counter() - began
        until_read(service)
        seconds = time.perf_counter() - began
        counts = service.get("/jobs", limit=1)["counts"]
        assert counts == {"done": DOCUMENTS + 1}, counts
    return {"documents": DOCUMENTS, "sent after s": sent, "indexed after s": seconds, "bar s": 60}


def search(folder: Path, minilm: str | None) -> Found:
    """A hundred thousand chunks: put into the index directly, searched over HTTP."""
    made = _big_index(folder / "data" / "documents", minilm)
    models = ("pilot", *([minilm] if minilm else ()))
    with serving(folder, *models) as service:
        dice = random.Random(2)
        known = vocabulary(random.Random(1))
        questions = [" ".join(dice.choices(known[:5_000], k=4)) for _ in range(SEARCHES)]
        service.search(questions[0])
        times: list[float] = []
        mode = ""
        for question in questions:
            began = time.perf_counter()
            answer = service.post("/search", {"query": question})
            times.append((time.perf_counter() - began) * 1000)
            mode = answer["mode"]
        desk = service.desk()
        assert desk is not None
        memory = desk.memory_info().rss / MB
    return {
        "chunks": made,
        "mode": mode,
        "median ms": statistics.median(times),
        "p95 ms": _p95(times),
        "bar ms": 50,
        "desk's memory MB": memory,
        "bar MB": 600,
    }


def _big_index(store: Path, minilm: str | None) -> int:
    import numpy as np
    import sqlalchemy as sa

    from mlxd.desk.documents.index import Index, Row, Vectors
    from mlxd.desk.documents.store import Store, documents, parents, sqlite_url
    from mlxd.desk.documents.words import indexed

    index = Index(store / "index", shared=False)
    if minilm:
        index.use_vectors(Vectors(Path(minilm).name, DIMENSION))
    kept = Store(sqlite_url(store / "documents.db"))
    dice = random.Random(1)
    known = vocabulary(dice)
    numbers = np.random.default_rng(1)
    each = 10
    for start in range(0, CHUNKS, 5_000):
        rows, shown, names = [], [], {}
        vectors = numbers.standard_normal((5_000, DIMENSION)).astype("float32")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for i in range(start, start + 5_000):
            document = f"{i // each:016x}"
            parent = f"{document}:00000000:{i % each:05d}"
            text = prose(dice, known, 500)
            vector = vectors[i - start] if minilm else None
            more = (f"{parent}:0000", document, parent, "window", "text", "text", 1.0)
            rows.append(Row(*more, text, indexed(text), vector))
            place = {"id": parent, "document": document, "revision": "0" * 24, "number": i % each}
            shown.append({**place, "kind": "text", "text": text})
            names[document] = f"{i // each}.txt"
        index.replace(sorted(names), rows)
        with kept.writing() as connection:
            filled = {"type": "text", "bytes": 1, "added": 1.0, "paged": False, "indexed": 1.0}
            same = {"revision": "0" * 24, "wanted": "0" * 24, **filled}
            connection.execute(
                sa.insert(documents), [{"id": k, "name": v, **same} for k, v in names.items()]
            )
            connection.execute(sa.insert(parents), shown)
    index.keep_up()
    count = index.count()
    kept.close()
    return count


def upload(folder: Path) -> Found:
    """The memory of gateway and desk while a large file comes, and how soon a larger one is
    refused."""
    file = folder / "large.pdf"
    with file.open("wb") as stream:
        stream.write(b"%PDF-1.7\n")
        for _ in range(UPLOAD_MB):
            stream.write(random.randbytes(MB))
    with serving(folder) as service:
        service.indexed(("warm.txt", b"The desk is started before the clock is."))
        desk = service.desk()
        assert desk is not None
        watched = {"gateway": psutil.Process(service.process.pid), "desk": desk}
        before = {name: one.memory_info().rss for name, one in watched.items()}
        most = dict(before)
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                for name, one in watched.items():
                    most[name] = max(most[name], one.memory_info().rss)

        watching = threading.Thread(target=watch)
        watching.start()
        began = time.perf_counter()
        with file.open("rb") as stream:
            sent = service.http.post("/documents", files={"file": ("large.pdf", stream)})
        seconds = time.perf_counter() - began
        over.set()
        watching.join()
        assert sent.status_code == 202, sent.text
        twice = file.read_bytes()
        began = time.perf_counter()
        with file.open("rb") as stream:
            both = {"one": ("one.pdf", stream), "file": ("two.pdf", twice)}
            refused = service.http.post("/documents", files=both)
        early = time.perf_counter() - began
        assert refused.status_code == 413, refused.text
    grown = {f"{name} grew by MB": (most[name] - before[name]) / MB for name in watched}
    return {"upload MB": UPLOAD_MB, "taken after s": seconds, **grown, "refused after s": early}


def kills(folder: Path) -> Found:
    files = mixture(KILLED_DOCUMENTS)
    with serving(folder / "calm") as calm:
        expected = chunks(calm, [one["id"] for one in calm.indexed(*files)])
    with serving(folder / "harried") as harried:
        ids = [one["id"] for one in harried.add(*files)]
        done, working = disturbed(harried, ids, KILLS, seed=int(time.time()))
        same = chunks(harried, ids) == expected
        counts = harried.get("/jobs", limit=1)["counts"]
    made = {"documents": len(files), "kills": done, "of them while there was work": working}
    return {**made, "same index": same, "jobs": counts}


def chat(folder: Path) -> Found:
    """The time to the first token of a chat, quiet and while pictures are read by the same
    model."""
    with serving(folder) as service:
        service.wait_for("is ready")
        first_token(service)
        quiet = [first_token(service) for _ in range(CHATS)]
        paper = Paper()
        for number in range(40):
            paper.picture(label(f"SIGN {number}\nHALL {number * 7}"), 120)
            if number % 4 == 3:
                paper.page()
        data = paper.bytes()
        service.add(*((f"{i}.pdf", data + b"%%" + bytes([65 + i])) for i in range(4)))
        while not service.get("/status")["engines"]["pilot"]["running"]:
            time.sleep(0.02)  # well before the first of the pictures has been looked at
        busy = [first_token(service) for _ in range(CHATS)]
        counts = service.get("/jobs", limit=1)["counts"]
        assert counts.get("running"), f"the documents were read too soon: {counts}"
    ratio = statistics.median(busy) / statistics.median(quiet)
    quiet_ms, busy_ms = statistics.median(quiet) * 1000, statistics.median(busy) * 1000
    return {"quiet ms": quiet_ms, "while indexing ms": busy_ms, "times": ratio, "bar times": 1.5}


def first_token(service: Service) -> float:
    body = {
        "model": "text",
        "stream": True,
        "max_tokens": 8,
        "messages": [{"role": "user", "content": "Reply with exactly OK"}],
    }
    began = time.perf_counter()
    with service.http.stream("POST", "/v1/chat/completions", json=body) as response:
        for line in response.iter_lines():
            if '"content":"' in line and '"content":""' not in line:
                return time.perf_counter() - began
    raise AssertionError("no token came")


def facts(folder: Path) -> Found:
    """Facts planted in texts, scans and pictures: found in the first three, on their own page and
    with their own image."""
    dice = random.Random(int(time.time()))
    known = vocabulary(random.Random(3))
    files, planted = [], []
    for number in range(PAPERS):
        code = [
            "".join(dice.choices("ACDEFHKLMNPRTUVWXY", k=3)) + str(dice.randint(2222, 9999))
            for _ in range(3)
        ]
        paper = Paper()
        for _ in range(dice.randint(0, 3)):
            paper.text(*(prose(dice, known, 70) for _ in range(12))).page()
        at = paper.finished
        paper.text(f"The permit of site {number} carries the number {code[0]}.").page()
        paper.text(f"The sign at gate {number} is shown here.").picture(label(f"GATE {code[1]}"))
        paper.page().scan(f"Delivery {number}\nCrate {code[2]}", 48)
        name = "report.pdf" if number % 2 else f"site-{number}.pdf"
        files.append((name, paper.bytes()))
        kinds = ("text", "image", "page")
        planted.append([(code[i], at + 1 + i, kinds[i]) for i in range(3)])
    with serving(folder) as service:
        taken = service.indexed(*files)
        right, wrong = 0, []
        for one, three in zip(taken, planted, strict=True):
            for code, page, kind in three:
                hits = service.search(code, limit=3)
                if any(_is_it(hit, one["id"], page, kind, code) for hit in hits):
                    right += 1
                else:
                    wrong.append({"code": code, "kind": kind, "found": [_short(h) for h in hits]})
    share = right / (PAPERS * 3)
    return {"facts": PAPERS * 3, "found": share, "bar": 0.95, "missed": wrong}


def _is_it(hit: Found, document: str, page: int, kind: str, code: str) -> bool:
    parent = hit["parent"]
    own_image = kind == "text" or f"/{document}/" in (parent["image"] or "")
    here = hit["document"]["id"] == document and parent["page"] == page
    return here and parent["kind"] == kind and own_image and code in parent["text"]


def _short(hit: Found) -> str:
    return f"{hit['document']['name']} {hit['parent']['page']} {hit['parent']['text'][:60]}"


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[math.ceil(0.95 * len(times)) - 1]


def main() -> int:
    parts: dict[str, Callable[[Path], Found]] = {
        "intake": intake,
        "search": lambda folder: search(folder, None),
        "upload": upload,
        "kills": kills,
        "chat": chat,
        "facts": facts,
    }
    parser = argparse.ArgumentParser(prog="python -m bench.documents", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--embedding", help="folder of MiniLM, for hybrid search")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    if args.embedding:
        parts["hybrid"] = lambda folder: search(folder, args.embedding)
    used = machine.others()
    if used > machine.CALM_PERCENT:
        print(f"NOT CALM: others use {used:.0f}% of the machine", flush=True)
    made: Found = {"machine": machine.describe(), "percent that others used before": used}
    for name in args.parts or parts:
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            made[name] = parts[name](Path(folder))
        print(name, json.dumps(made[name], indent=1), flush=True)
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "documents.json").write_text(json.dumps(made, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
