"""A search that a change meets in its middle, each time that it is made again."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlxd.desk.answers import Refused
from mlxd.desk.documents.index import Hit, Index, Row
from mlxd.desk.documents.ledger import Ledger
from mlxd.desk.documents.search import TRIES, Question, Search
from mlxd.desk.documents.store import Store, documents, parents, sqlite_url
from mlxd.desk.documents.vectors import Vectoriser
from mlxd.desk.documents.words import indexed
from mlxd.desk.models import Models

TEXT = "the harbour is closed"


class Changing(Index):
    """Its documents of these names are replaced between finding rows and reading them."""

    names: Sequence[str] = ()
    times = 0

    async def hits(self, numbers: Sequence[int]) -> dict[int, Hit]:
        if self.times:
            self.times -= 1
            self.replace(self.names, [row(name) for name in self.names])
        return await super().hits(numbers)


def row(name: str) -> Row:
    return Row(f"{name}:0", name, name, "window", "text", "text", 1.0, TEXT, indexed(TEXT))


def made(folder: Path, *names: str) -> tuple[Changing, Search]:
    index = Changing(folder / "index", shared=False)
    store = Store(sqlite_url(folder / "documents.db"))
    index.replace(names, [row(name) for name in names])
    filled = {"type": "text", "bytes": 1, "added": 1.0, "paged": False, "indexed": 1.0}
    revision = {"revision": "0" * 24, "wanted": "0" * 24}
    with store.writing() as connection:
        for name in names:
            connection.execute(
                sa.insert(documents).values(id=name, name=f"{name}.txt", **revision, **filled)
            )
            shown = {"id": name, "document": name, "revision": "0" * 24, "number": 0}
            connection.execute(sa.insert(parents).values(kind="text", text=TEXT, **shown))
    models = Models("http://127.0.0.1:9", None)  # never asked: there are no vectors
    vectoriser = Vectoriser(models, index, store, Ledger(store, lambda: None))
    return index, Search(store, index, vectoriser)


def test_a_document_that_was_removed_is_missing_and_nothing_else(tmp_path: Path) -> None:
    """Its rows go a moment after it."""
    index, search = made(tmp_path, "calm", "removed")
    remove(search, "removed")
    assert found(search) == {"calm"}
    remove(search, "calm")
    assert found(search) == set()
    assert index.count() == 2


def remove(search: Search, name: str) -> None:
    with search._store.writing() as connection:
        connection.execute(sa.delete(parents).where(parents.c.document == name))
        connection.execute(sa.delete(documents).where(documents.c.id == name))


def found(search: Search) -> set[str]:
    answer = asyncio.run(search.find(Question(query="harbour")))
    return {one["document"]["id"] for one in answer["results"]}


def test_it_is_made_again_until_it_has_all(tmp_path: Path) -> None:
    index, search = made(tmp_path, "calm", "restless")
    index.names, index.times = ["restless"], TRIES - 1
    assert found(search) == {"calm", "restless"}
    assert index.times == 0


def test_what_did_not_change_is_found_whatever_else_does(tmp_path: Path) -> None:
    index, search = made(tmp_path, "calm", "restless")
    index.names, index.times = ["restless"], 1_000
    assert found(search) == {"calm"}


def test_nothing_found_is_not_the_answer_when_all_of_it_changes(tmp_path: Path) -> None:
    index, search = made(tmp_path, "restless")
    index.names, index.times = ["restless"], 1_000
    with pytest.raises(Refused, match="ask again") as refused:
        found(search)
    assert (refused.value.status, refused.value.code) == (503, "documents_changing")
    index.times = 0
    assert found(search) == {"restless"}
