"""What is known of documents and jobs, in SQLite or PostgreSQL.

Chunks are found in the index and shown from here. A parent's id names the revision that it belongs
to, so that the texts of two revisions can be there at once and never be mixed.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

# A writer may hold the file for as long as the index takes to write what belongs to it.
SQLITE_PATIENCE_S = 60

# Of the lock that is held while tables are created; any number that nobody else uses.
CREATION = 0x6D6C7864

tables = sa.MetaData()

documents = sa.Table(
    "mlxd_documents",
    tables,
    sa.Column("id", sa.String, primary_key=True),
    # Where it comes from, when that is more than its content: the place of a file.
    sa.Column("source", sa.String, unique=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("type", sa.String, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    # What searches find, and what is on its way to replace it; both are hashes of the content.
    sa.Column("revision", sa.String),
    sa.Column("wanted", sa.String),
    sa.Column("pages", sa.Integer),
    sa.Column("paged", sa.Boolean, nullable=False, default=False),
    sa.Column("title", sa.String),
    sa.Column("added", sa.Float, nullable=False),
    sa.Column("indexed", sa.Float),
)

document_tags = sa.Table(
    "mlxd_document_tags",
    tables,
    sa.Column("document", sa.String, primary_key=True),
    sa.Column("tag", sa.String, primary_key=True, index=True),
    # Given by a person, who is not overruled by a model.
    sa.Column("given", sa.Boolean, nullable=False, default=False),
)

parents = sa.Table(
    "mlxd_parents",
    tables,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("document", sa.String, nullable=False, index=True),
    sa.Column("revision", sa.String, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("page", sa.Integer),
    sa.Column("box", sa.JSON),
    sa.Column("image", sa.String),
    sa.Column("text", sa.Text, nullable=False),
)

jobs = sa.Table(
    "mlxd_jobs",
    tables,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("document", sa.String, index=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("revision", sa.String),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("reason", sa.Text),
    sa.Column("code", sa.String),
    sa.Column("waits_for", sa.String),
    sa.Column("step", sa.String),
    sa.Column("done", sa.Integer, nullable=False, default=0),
    sa.Column("total", sa.Integer),
    sa.Column("priority", sa.String, nullable=False),
    # Which run of the workflow this is: every pause, wait and retry ends one.
    sa.Column("attempt", sa.Integer, nullable=False, default=1),
    # Where it runs, or has run.
    sa.Column("worker", sa.String),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    # What the work itself took, without waiting: time left is estimated from it.
    sa.Column("worked", sa.Float, nullable=False, default=0.0),
    sa.Column("change", sa.BigInteger, nullable=False, index=True),
)

counters = sa.Table(
    "mlxd_counters",
    tables,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

workers = sa.Table(
    "mlxd_workers",
    tables,
    sa.Column("executor", sa.String, primary_key=True),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
)


class Store:
    def __init__(self, url: str) -> None:
        self.sqlite = url.startswith("sqlite")
        self.engine = sa.create_engine(url, pool_pre_ping=not self.sqlite)
        if self.sqlite:
            event.listen(self.engine, "connect", _prepare)
            event.listen(self.engine, "begin", _begin)
        self._create()

    def _create(self) -> None:
        with self.writing() as connection:
            if not self.sqlite:
                # Two machines that start at the same time would both create them.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(CREATION)))
            tables.create_all(connection)
            known = sa.select(counters.c.value).where(counters.c.name == "jobs")
            if connection.execute(known).first() is None:
                connection.execute(sa.insert(counters).values(name="jobs", value=0))

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self.engine.connect() as connection:
            yield connection

    def change(self, connection: sa.Connection) -> int:
        """The number of the next change to a job; greater than all that others have seen."""
        bumped = (
            sa.update(counters)
            .where(counters.c.name == "jobs")
            .values(value=counters.c.value + 1)
            .returning(counters.c.value)
        )
        return int(connection.execute(bumped).scalar_one())

    def lock(self, connection: sa.Connection, document: str) -> None:
        """Nobody else publishes this document until the transaction ends. In SQLite, whoever
        writes is alone anyway."""
        if not self.sqlite:
            found = sa.select(documents.c.id).where(documents.c.id == document).with_for_update()
            connection.execute(found)

    def close(self) -> None:
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """Prepared so that readers do not wait for writers, also for who opens it otherwise."""
    import sqlite3

    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return f"sqlite:///{path}"


def _prepare(connection: object, record: object) -> None:
    import sqlite3

    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={SQLITE_PATIENCE_S * 1000}")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: sa.Connection) -> None:
    """A transaction that will write says so at once: one that turns out to write can't wait."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def now() -> float:
    return time.time()
