"""What is kept across starts, also by another version of mlxd."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from mlxd.supervisor.contract import NotKept
from mlxd.supervisor.store import Assigned, Confirmation, Store

CONFIRMED = Confirmation(
    model_id="a", capability="text", confirmed=True, detail="it echoed", seconds=0.5, at=7.0
)


def test_a_database_of_an_older_mlxd_is_read_and_brought_up(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "mlxd.db")) as old:
        old.executescript(
            "CREATE TABLE assignment (capability TEXT PRIMARY KEY, model TEXT, at REAL NOT NULL);"
            "INSERT INTO assignment VALUES ('text', 'a', 1.0);"
            "CREATE TABLE confirmation (model TEXT, capability TEXT, confirmed INTEGER NOT NULL,"
            " at REAL NOT NULL, PRIMARY KEY (model, capability));"
        )
    store = Store(tmp_path)
    assert store.peaks() == {}
    assert store.assignments() == {"text": Assigned("text", "a")}
    store.confirm(CONFIRMED)
    store.assign([Assigned("vision", "b", "/b")])
    store.note_peaks({("a", 10): 7})
    again = Store(tmp_path)
    assert again.assignments() == {
        "text": Assigned("text", "a"),
        "vision": Assigned("vision", "b", "/b"),
    }
    assert again.confirmations() == [CONFIRMED]
    assert again.peaks() == {("a", 10): 7}


def test_a_database_of_a_newer_mlxd_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).assign([Assigned("text", "a")])
    with contextlib.closing(sqlite3.connect(tmp_path / "mlxd.db")) as newer:
        newer.execute("PRAGMA user_version = 99")
    before = (tmp_path / "mlxd.db").read_bytes()
    store = Store(tmp_path)
    with pytest.raises(NotKept, match="written by a newer mlxd"):
        store.assignments()
    with pytest.raises(NotKept, match="move the file away"):
        store.assign([Assigned("text", "b")])
    assert (tmp_path / "mlxd.db").read_bytes() == before
