"""Several machines on one database: each says that it lives, and what a lost one had begun is taken
up by the others."""

import logging
import socket
from collections.abc import Callable

import sqlalchemy as sa

from .store import Store, now, workers

log = logging.getLogger(__name__)

# How often each says that it lives.
BEAT_S = 3.0
# Silent for so long, it is lost. A machine that was only slow finds its attempts taken over, and
# what it has made is found by the other in files.
LOST_S = 20.0


class Workers:
    """`recover` puts what this executor had begun back into the queue."""

    def __init__(self, store: Store, executor: str, recover: Callable[[str], None]) -> None:
        self._store = store
        self._executor = executor
        self._recover = recover

    def beat(self) -> None:
        here = workers.c.executor == self._executor
        with self._store.writing() as connection:
            seen = sa.update(workers).where(here).values(seen=now())
            if connection.execute(seen).rowcount == 0:
                made = {"executor": self._executor, "host": socket.gethostname(), "seen": now()}
                connection.execute(sa.insert(workers).values(**made))
            # Whoever deletes the row has taken it on; nobody else finds it.
            silent = workers.c.seen < now() - LOST_S
            lost = connection.execute(
                sa.delete(workers).where(silent).returning(workers.c.executor, workers.c.host)
            ).all()
        for executor, host in lost:
            log.warning("the desk on %s is silent; its jobs go on elsewhere", host)
            self._recover(executor)

    def leave(self) -> None:
        """What is under way here is for the others at once."""
        with self._store.writing() as connection:
            here = workers.c.executor == self._executor
            connection.execute(sa.update(workers).where(here).values(seen=0.0))
