"""Servers are judged a few at a time, each in a process of its own, and once for all tests."""

import contextlib
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor

# By the name under which a new process finds it too.
from tests.smoke.alone import BY_NAME, judge_alone

from mlxd.smoke import Run, from_json

# Workers of pytest beside this one, which are busy with other tests.
BESIDE = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) - 1
# A run waits now and then, for pauses that it makes itself: one more than there are processors.
WORKERS = max(1, (os.cpu_count() or 1) + 1 - BESIDE)

__all__ = ["BY_NAME", "Pool", "open_pool"]


class Pool:
    def __init__(self, executor: ProcessPoolExecutor) -> None:
        self._executor = executor
        self._begun: dict[str, Future[bytes]] = {}

    def begin(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._begun:
                self._begun[name] = self._executor.submit(judge_alone, name)

    def of(self, name: str) -> Run:
        """A mutant's or a variant's, or that of the correct server, whose names are numbers."""
        self.begin([name])
        return from_json(self._begun[name].result()).runs[0]


@contextlib.contextmanager
def open_pool() -> Iterator[Pool]:
    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(WORKERS, mp_context=spawn)
    try:
        yield Pool(executor)
    finally:
        executor.shutdown(cancel_futures=True)
