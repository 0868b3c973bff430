"""Full text and vectors together: both give a ranking, and ranks are added up (reciprocal rank
fusion), as scores of the two can't be compared."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from mlxd.desk.answers import Refused

from .index import Hit, Index, quoted
from .pieces import document_of
from .store import Store, document_tags, documents, parents
from .vectors import Vectoriser
from .words import asked, words

# Of each ranking: at least so many, and several for each result, as passages of one parent are one.
CANDIDATES = 50
CANDIDATES_A_RESULT = 3
# How much the first ranks count more than later ones; the usual constant.
RRF = 60
MOST_RESULTS = 100
LONGEST_QUESTION = 4_000
SNIPPET_CHARACTERS = 300
# A search that meets a change in the middle is made again.
TRIES = 4
# A change takes some tens of milliseconds.
WAIT_S = 0.01


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    query: str
    limit: int = 10
    document: list[str] = []
    type: list[str] = []
    kind: list[str] = []
    tag: list[str] = []
    added_after: float | None = None
    added_before: float | None = None


class Search:
    def __init__(self, store: Store, index: Index, vectoriser: Vectoriser) -> None:
        self._store = store
        self._index = index
        self._vectoriser = vectoriser

    async def find(self, question: Question) -> dict[str, Any]:
        began = time.monotonic()
        _check(question)
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(WAIT_S * 2**attempt)
            results, hybrid, note = await self._look(question, whole=attempt < TRIES - 1)
            if results is not None:
                break
        else:
            told = "Documents change faster than they can be searched just now; ask again."
            raise Refused(503, told, code="documents_changing")
        return {
            "query": question.query,
            "mode": "hybrid" if hybrid else "text",
            "notes": [note] if note else [],
            "results": results,
            "seconds": round(time.monotonic() - began, 4),
        }

    async def _look(
        self, question: Question, whole: bool
    ) -> tuple[list[dict[str, Any]] | None, bool, str | None]:
        """Results, whether vectors had a part in them, and why not. No results when something of
        what was found was replaced before it could be shown; unless `whole`, when all of it was."""
        where = self._where(question, await self._with_tags(question.tag))
        # Words are looked up while a model makes the question's vector.
        by_words, (by_vector, hybrid, note) = await asyncio.gather(
            self._by_words(question, where), self._by_vector(question, where)
        )
        results = await self._results(question, by_words, by_vector, whole)
        return results, hybrid, note

    async def _by_words(self, question: Question, where: str | bool) -> list[int]:
        if where is False:
            return []
        return await self._index.by_words(question.query, _candidates(question), _condition(where))

    async def _by_vector(
        self, question: Question, where: str | bool
    ) -> tuple[list[int], bool, str | None]:
        vector, note = await self._vectoriser.of_question(question.query)
        if vector is None or where is False:
            return [], vector is not None, note
        rows = await self._index.by_vector(vector, _candidates(question), _condition(where))
        return rows, True, note

    async def _results(
        self, question: Question, by_words: Sequence[int], by_vector: Sequence[int], whole: bool
    ) -> list[dict[str, Any]] | None:
        scores = fused([by_words, by_vector])
        chosen, gone = await self._best(scores, question.limit, whole)
        if gone and whole:
            return None
        # In a thread of its own: a database elsewhere may take its time.
        shown, replaced = await asyncio.to_thread(self._shown, [hit for _, hit in chosen])
        matched = (("words", set(by_words)), ("vector", set(by_vector)))
        looked_for = set(asked(question.query))
        results = [
            {
                **shown[hit.parent],
                **snippet(hit.text, looked_for),
                "why": hit.why,
                "matched": [name for name, rows in matched if row in rows],
                "score": round(scores[row], 6),
            }
            for row, hit in chosen
            if hit.parent in shown
        ]
        gone = gone or replaced
        return None if gone and (whole or not results) else results

    async def _best(
        self, scores: Mapping[int, float], limit: int, whole: bool
    ) -> tuple[list[tuple[int, Hit]], bool]:
        """As many parents, each by its best child, and whether a row was gone. No more rows are
        read than that takes."""
        best: dict[str, tuple[int, Hit]] = {}
        gone = False
        for rows in portions(scores, limit):
            hits = await self._index.hits(rows)
            gone = gone or len(hits) < len(rows)
            if gone and whole:
                break
            for row in sorted(hits, key=lambda one: (-scores[one], hits[one].id)):
                best.setdefault(hits[row].parent, (row, hits[row]))
            if len(best) >= limit:
                break
        return list(best.values())[:limit], gone

    def _where(self, question: Question, tagged: set[str] | None) -> str | bool:
        """The condition on rows; True without one, False when nothing can match."""
        parts = []
        chosen = set(question.document)
        if tagged is not None:
            chosen = chosen & tagged if question.document else tagged
        if question.tag or question.document:
            if not chosen:
                return False
            parts.append(_among("document", sorted(chosen)))
        if question.type:
            parts.append(_among("type", question.type))
        if question.kind:
            parts.append(_among("kind", question.kind))
        if question.added_after is not None:
            parts.append(f"added >= {float(question.added_after)!r}")
        if question.added_before is not None:
            parts.append(f"added < {float(question.added_before)!r}")
        return " AND ".join(parts) if parts else True

    async def _with_tags(self, tags: Sequence[str]) -> set[str] | None:
        """Documents that have all of these tags; None without any, as then all have."""
        return await asyncio.to_thread(self._tagged, tags) if tags else None

    def _tagged(self, tags: Sequence[str]) -> set[str]:
        column = document_tags.c
        chosen = (
            sa.select(column.document)
            .where(column.tag.in_(tags))
            .group_by(column.document)
            .having(sa.func.count(column.tag.distinct()) == len(set(tags)))
        )
        with self._store.reading() as connection:
            return {row[0] for row in connection.execute(chosen)}

    def _shown(self, hits: Sequence[Hit]) -> tuple[dict[str, dict[str, Any]], bool]:
        """The parents of these, and whether there are others by now in place of any. Those of a
        document that was removed are missing and nothing more: its rows are about to go, too."""
        if not hits:
            return {}, False
        wanted = {hit.parent for hit in hits}
        with self._store.reading() as connection:
            rows = connection.execute(_PARENTS, {"wanted": [*wanted]}).mappings().all()
            tags = tags_of(connection, {row["document"] for row in rows})
            missing = {document_of(one) for one in wanted - {row["id"] for row in rows}}
            changed = missing and connection.execute(_THERE, {"wanted": [*missing]}).first()
        shown = {row["id"]: _parent(dict(row), tags.get(row["document"], [])) for row in rows}
        return shown, bool(changed)


# Made once: putting them together takes longer than what they ask for.
_PARENTS = (
    sa.select(parents, documents.c.name, documents.c.type, documents.c.source)
    .select_from(sa.join(parents, documents, parents.c.document == documents.c.id))
    .where(parents.c.id.in_(sa.bindparam("wanted", expanding=True)))
)
_THERE = sa.select(documents.c.id).where(documents.c.id.in_(sa.bindparam("wanted", expanding=True)))
_TAGS = (
    sa.select(document_tags.c.document, document_tags.c.tag)
    .where(document_tags.c.document.in_(sa.bindparam("wanted", expanding=True)))
    .order_by(document_tags.c.tag)
)


def _candidates(question: Question) -> int:
    return max(CANDIDATES, CANDIDATES_A_RESULT * question.limit)


def _condition(where: str | bool) -> str | None:
    return where if isinstance(where, str) else None


def _parent(row: Mapping[str, Any], tags: list[str]) -> dict[str, Any]:
    document = row["document"]
    image = row["image"]
    return {
        "document": {
            "id": document,
            "name": row["name"],
            "type": row["type"],
            "source": row["source"],
            "tags": tags,
        },
        "parent": {
            "id": row["id"],
            "kind": row["kind"],
            "text": row["text"],
            "page": row["page"],
            "box": row["box"],
            "image": image and f"/documents/{document}/images/{row['revision'][:8]}/{image}",
        },
    }


def tags_of(connection: sa.Connection, wanted: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for document, tag in connection.execute(_TAGS, {"wanted": [*wanted]}):
        found.setdefault(document, []).append(tag)
    return found


def fused(rankings: Sequence[Sequence[int]]) -> dict[int, float]:
    """What stands in one ranking alone counts as if it were behind the end of the other."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, 1):
            scores[row] = scores.get(row, 0.0) + 1 / (RRF + rank)
    return scores


def portions(scores: Mapping[int, float], least: int) -> Iterator[list[int]]:
    """Best first, at least so many at a time, and those of the same score together: among them the
    order is not that of their numbers, which upkeep changes."""
    order = sorted(scores, key=lambda one: -scores[one])
    start = 0
    while start < len(order):
        end = min(start + least, len(order))
        while end < len(order) and scores[order[end]] == scores[order[end - 1]]:
            end += 1
        yield order[start:end]
        start = end


def snippet(text: str, looked_for: set[str]) -> dict[str, Any]:
    """The part of the text that has most of what was looked for, and where in it that stands."""
    found = [(word.start, word.end) for word in words(text) if word.text in looked_for]
    start = _densest([one[0] for one in found])
    if start > 0:
        # From the beginning of a word, with a little of what stands before.
        start = max(0, start - SNIPPET_CHARACTERS // 4)
        space = text.find(" ", start)
        start = space + 1 if 0 <= space < start + 40 else start
    if len(text) - start < SNIPPET_CHARACTERS:
        start = max(0, len(text) - SNIPPET_CHARACTERS)
    end = min(len(text), start + SNIPPET_CHARACTERS)
    return {
        "snippet": text[start:end],
        "highlights": _joined(
            [(a - start, b - start) for a, b in found if start <= a and b <= end]
        ),
    }


def _densest(starts: Sequence[int]) -> int:
    best, most = 0, 0
    for i, start in enumerate(starts):
        inside = sum(one < start + SNIPPET_CHARACTERS * 3 // 4 for one in starts[i:])
        if inside > most:
            best, most = start, inside
    return best


def _joined(spans: Iterable[tuple[int, int]]) -> list[list[int]]:
    made: list[list[int]] = []
    for start, end in sorted(spans):
        if made and start <= made[-1][1]:
            made[-1][1] = max(made[-1][1], end)
        else:
            made.append([start, end])
    return made


def _check(question: Question) -> None:
    if not question.query.strip():
        raise Refused(400, "query is empty.", param="query", code="invalid_value")
    if len(question.query) > LONGEST_QUESTION:
        told = f"query has more than {LONGEST_QUESTION} characters."
        raise Refused(400, told, param="query", code="invalid_value")
    if not 1 <= question.limit <= MOST_RESULTS:
        told = f"limit is {question.limit}: expected 1 to {MOST_RESULTS}."
        raise Refused(400, told, param="limit", code="invalid_value")


def _among(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(quoted(one) for one in values)})"
