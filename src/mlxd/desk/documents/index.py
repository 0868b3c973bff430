"""The index: one row for each child, with its words and, once there is a model for it, its vector.

Every change to a document's rows is one commit of the table, so that a search finds either what was
there before or what came after.
"""

import contextlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from mlxd.desk.models import Vector

from .lance import FTS, BTree, IvfSq, MatchQuery, awaited, columns, lancedb
from .words import asked

log = logging.getLogger(__name__)

T = TypeVar("T")

TABLE = "chunks"
# Rows that are not in the index's structures yet are looked through one by one: up to so many that
# takes a few milliseconds.
LOOSE_ROWS = 4_000
# Each commit leaves a small file, and every one of them is opened by each search.
LOOSE_COMMITS = 64
# Loose rows are ranked behind others, as how rare a word is, is counted without them. So a few get
# their place too when nothing has come for so long: longer in a large index, as that takes more.
SETTLED_S = 20.0
SETTLED_ROWS_A_SECOND = 1_000
# From here on a look at every vector takes too long.
ROWS_FOR_VECTOR_INDEX = 20_000
# Of the table's structures in memory: most of the words of a hundred thousand chunks.
INDEX_CACHE_BYTES = 160 * 1024 * 1024
METADATA_CACHE_BYTES = 32 * 1024 * 1024
# Another process may have written in between (upkeep, another machine's desk).
TRIES = 6
WAIT_S = 0.1

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("document", pa.string(), nullable=False),
        pa.field("parent", pa.string(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("added", pa.float64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("words", pa.string(), nullable=False),
    ]
)


class Row(msgspec.Struct, frozen=True):
    id: str
    document: str
    parent: str
    why: str
    kind: str
    type: str
    added: float
    text: str
    words: str
    vector: Vector | None = None


class Hit(msgspec.Struct, frozen=True):
    id: str
    parent: str
    why: str
    text: str


class Vectors(msgspec.Struct):
    """Which model made the vectors that are in the table."""

    model: str
    dimension: int


class Index:
    """`shared`: other processes write to it too."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._table = open_table(folder, shared=shared)
        self._writing = threading.Lock()
        self._commits = 0

    # --- writing -----------------------------------------------------------------------------

    def replace(self, documents: Sequence[str], rows: Sequence[Row]) -> None:
        """All rows of these documents are exactly `rows` from now on."""
        with self._writing:
            where = _among("document", documents)
            data = self._arrow(rows)
            if self._table.count_rows(where) == 0:
                if rows:
                    self._retried(lambda: self._table.add(data))
            elif rows:
                merge = (
                    self._table.merge_insert("id")
                    .when_matched_update_all()
                    .when_not_matched_insert_all()
                    .when_not_matched_by_source_delete(where)
                )
                self._retried(lambda: merge.execute(data, on_bad_vectors="null"))
            else:
                self._retried(lambda: self._table.delete(where))
            self._commits += 1

    def delete(self, documents: Sequence[str]) -> None:
        with self._writing:
            self._retried(lambda: self._table.delete(_among("document", documents)))
            self._commits += 1

    def _arrow(self, rows: Sequence[Row]) -> pa.Table:
        schema = self._table.schema
        plain = [msgspec.structs.asdict(row) for row in rows]
        columns = {name: [one[name] for one in plain] for name in schema.names}
        return pa.table(columns, schema=schema)

    def _retried(self, write: Callable[[], T]) -> T:
        for attempt in range(1, TRIES + 1):
            try:
                return write()
            except RuntimeError as error:
                if attempt == TRIES or "onflict" not in str(error):
                    raise
                log.info("the index was written by somebody else: %s", error)
                self._table.checkout_latest()
                time.sleep(WAIT_S * 2**attempt)
        raise AssertionError

    # --- upkeep ------------------------------------------------------------------------------

    def needs_upkeep(self, quiet: float) -> bool:
        """`quiet`: for so many seconds nothing has been written here."""
        if self._commits > LOOSE_COMMITS:
            return True
        stats = self._table.index_stats("words_idx")
        if stats is None or stats.num_unindexed_rows > LOOSE_ROWS:
            return True
        settled = SETTLED_S + stats.num_indexed_rows / SETTLED_ROWS_A_SECOND
        return bool(stats.num_unindexed_rows and quiet > settled)

    def keep_up(self) -> None:
        """In a process of its own: putting an index together takes memory that a process would
        keep."""
        command = [sys.executable, "-P", "-m", f"{__package__}.upkeep", str(self.folder)]
        with self._writing:
            began = time.monotonic()
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
            )
            self._commits = 0
            self._table.checkout_latest()
        if done.returncode:
            log.warning("upkeep of the index failed: %s", done.stderr.strip()[-2000:])
        else:
            log.info("upkeep of the index took %.1f s", time.monotonic() - began)

    # --- vectors -----------------------------------------------------------------------------

    @property
    def vectors(self) -> Vectors | None:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode((self.folder / "vectors.json").read_bytes(), type=Vectors)
        return None

    def use_vectors(self, made_by: Vectors) -> None:
        """From now on rows may have vectors of this model; those of another one are gone."""
        with self._writing:
            if self.vectors == made_by and "vector" in self._table.schema.names:
                return
            if "vector" in self._table.schema.names:
                self._retried(lambda: self._table.drop_columns(["vector"]))
            field = pa.field("vector", pa.list_(pa.float32(), made_by.dimension))
            self._retried(lambda: self._table.add_columns(field))
            file = self.folder / "vectors.json"
            temporary = file.with_suffix(".new")
            temporary.write_bytes(msgspec.json.encode(made_by))
            temporary.replace(file)

    def without_vector(self, limit: int) -> list[tuple[str, str]]:
        """The ids and texts of rows that have none yet."""
        found = (
            self._table.search()
            .where("vector IS NULL")
            .select(["id", "text"])
            .limit(limit)
            .to_arrow()
        )
        return list(zip(found["id"].to_pylist(), found["text"].to_pylist(), strict=True))

    def lacks_vectors(self) -> bool:
        if "vector" not in self._table.schema.names:
            return True
        return self.count("vector IS NULL") > 0

    def count(self, where: str | None = None) -> int:
        return int(self._table.count_rows(where))

    def set_vectors(self, vectors: Mapping[str, Vector]) -> None:
        """Rows that are gone by now stay gone."""
        with self._writing:
            dimension = self._table.schema.field("vector").type.list_size
            flat = pa.array(np.concatenate(list(vectors.values())), pa.float32())
            made = pa.FixedSizeListArray.from_arrays(flat, dimension)
            data = pa.table({"id": list(vectors), "vector": made})
            merge = self._table.merge_insert("id").when_matched_update_all()
            self._retried(lambda: merge.execute(data))
            self._commits += 1

    # --- searching ---------------------------------------------------------------------------

    # Both give the numbers of rows, best first: reading what is in a row takes longer than finding
    # it, and most of what either finds is never shown.

    async def by_words(self, question: str, limit: int, where: str | None) -> list[int]:
        looked_for = asked(question)
        if not looked_for:
            return []
        query = awaited(self._table).query().nearest_to_text(_match(" ".join(looked_for)))
        return await _numbers(query, "_score", limit, where)

    async def by_vector(self, vector: Vector, limit: int, where: str | None) -> list[int]:
        nearest = awaited(self._table).query().nearest_to(pa.array(vector))
        query = nearest.column("vector").distance_type("cosine").nprobes(PROBES)
        return await _numbers(query, "_distance", limit, where)

    async def hits(self, numbers: Sequence[int]) -> dict[int, Hit]:
        """Rows that are gone, or were given another number by upkeep, are left out."""
        query = awaited(self._table).take_row_ids(list(numbers)).select(_SHOWN).with_row_id()
        found = await columns(query, "_rowid", *_SHOWN)
        return {number: Hit(*values) for number, *values in zip(*found, strict=True)}

    def documents(self) -> set[str]:
        """All that have rows."""
        found = self._table.search().select(["document"]).limit(None).to_arrow()
        return set(found["document"].unique().to_pylist())

    def texts(self, document: str) -> list[str]:
        found = (
            self._table.search()
            .where(_among("document", [document]))
            .select(["id", "text"])
            .limit(None)
            .to_arrow()
        )
        pairs = zip(found["id"].to_pylist(), found["text"].to_pylist(), strict=True)
        return [text for _, text in sorted(pairs)]


# Of the vector index: how many of its parts are looked at, of eight thousand vectors each.
PROBES = 24
_SHOWN = ["id", "parent", "why", "text"]


def open_table(folder: Path, *, shared: bool) -> Any:
    """LanceDB's own types are not exported in a way that a type checker could follow."""
    session = lancedb.Session(INDEX_CACHE_BYTES, METADATA_CACHE_BYTES)
    interval = timedelta(0) if shared else None
    database = lancedb.connect(folder, session=session, read_consistency_interval=interval)
    table = _created(database)
    present = {one.name for one in table.list_indices()}
    if "words_idx" not in present:
        # The words are made by us, so that the index only has to split them at spaces.
        plain = FTS(
            base_tokenizer="whitespace",
            lower_case=False,
            stem=False,
            remove_stop_words=False,
            ascii_folding=False,
            max_token_length=None,
        )
        table.create_index("words", config=plain)
    for column in ("id", "document"):
        if f"{column}_idx" not in present:
            table.create_index(column, config=BTree())
    return table


def index_vectors(table: Any) -> None:
    """A byte for each number of a vector: what is found is then nearly what is nearest, without a
    look at the vectors as they are, which takes longer than the search."""
    table.create_index("vector", config=IvfSq(distance_type="cosine"))


def _match(text: str) -> MatchQuery:
    return MatchQuery(  # type: ignore[call-arg]
        text, "words"
    )


def _created(database: Any) -> Any:
    """Two machines may start at the same time, and one of them is first."""
    for attempt in range(1, TRIES + 1):
        try:
            if TABLE in database.list_tables().tables:
                # It may have more columns by now than it began with.
                return database.open_table(TABLE)
            return database.create_table(TABLE, schema=SCHEMA)
        except (RuntimeError, ValueError, OSError):
            if attempt == TRIES:
                raise
            time.sleep(WAIT_S * 2**attempt)
    raise AssertionError


async def _numbers(query: Any, score: str, limit: int, where: str | None) -> list[int]:
    """The score is asked for since each search without it is a line of warning in the log."""
    if where:
        query = query.where(where)
    query = query.with_row_id().select(["_rowid", score]).limit(limit)
    [numbers] = await columns(query, "_rowid")
    return numbers


def _among(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(quoted(one) for one in values)})"


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
