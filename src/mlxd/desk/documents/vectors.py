"""Vectors of texts, where a model is assigned to embedding; and the job that makes those that are
missing once there is one."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import cast

import sqlalchemy as sa

from mlxd.desk.models import Embedded, Failed, Lacking, Models, Unavailable, Vector

from .index import Index, Vectors
from .jobs import STOPPED, Outcome, Run
from .ledger import UNFINISHED, Ledger
from .store import Store, jobs

log = logging.getLogger(__name__)

# Texts in one request.
TOGETHER = 32
# Characters that every model for vectors takes.
SHORTEST_CUT = 100
# Rows that one step of the job fills.
ROWS_A_STEP = 256
NONE_ASSIGNED = "No model is assigned to embedding, so this is full text alone."


class Vectoriser:
    def __init__(self, models: Models, index: Index, store: Store, ledger: Ledger) -> None:
        self._models = models
        self._index = index
        self._store = store
        self._ledger = ledger

    def vectors(self, run: Run, texts: Sequence[str]) -> list[Vector] | None:
        """None where there is no model, or it can't answer: the text is found by its words, and a
        job makes the vector later."""
        made_by = self._index.vectors
        if made_by is None or not texts:
            return None
        try:
            return self._embedded(run, texts, made_by.model)
        except (Lacking, Failed, Unavailable) as error:
            log.info("no vectors for %s: %s", run.job.name, error)
            return None

    def _embedded(self, run: Run, texts: Sequence[str], model: str) -> list[Vector] | None:
        """None when it is another model by now."""
        made: list[Vector] = []
        for start in range(0, len(texts), TOGETHER):
            part = self._together(run, texts[start : start + TOGETHER])
            if part.model != model:
                return None
            made += part.vectors
        return made

    def _together(self, run: Run, texts: Sequence[str]) -> Embedded:
        """A text that is too long for this model is cut, and keeps no other from its vector: how
        many tokens a script takes is known to the model alone."""
        try:
            return cast(Embedded, run.ask(partial(self._models.embed, texts)))
        except Failed:
            if len(texts) == 1:
                [text] = texts
                if len(text) <= SHORTEST_CUT:
                    raise
                return self._together(run, [text[: len(text) // 2]])
        each = [self._together(run, [text]) for text in texts]
        models = {one.model for one in each}
        name = models.pop() if len(models) == 1 else "several, as it was changed meanwhile"
        return Embedded(name, [one.vectors[0] for one in each])

    async def of_question(self, text: str) -> tuple[Vector | None, str | None]:
        """The vector, or why there is none."""
        made_by = self._index.vectors
        if made_by is None:
            return None, NONE_ASSIGNED
        try:
            found = await self._models.embed([text], interactive=True)
        except Lacking:
            return None, NONE_ASSIGNED
        except (Failed, Unavailable) as error:
            return None, f"Full text alone: {error}"
        if found.model != made_by.model:
            return None, "Full text alone: the vectors of the assigned model are still to be made."
        return found.vectors[0], None

    # --- the job that fills what is missing ------------------------------------------------------

    def order(self, model: str) -> str | None:
        """A new job, when this model has vectors to make and none is at work on it."""
        made_by = self._index.vectors
        if made_by is not None and made_by.model == model and not self._index.lacks_vectors():
            return None
        with self._store.writing() as connection:
            theirs = (jobs.c.kind == "vectors") & jobs.c.state.in_((*UNFINISHED, "paused"))
            if connection.execute(sa.select(jobs.c.id).where(theirs)).first() is not None:
                return None
            job = self._ledger.add(
                connection, kind="vectors", name=f"vectors by {model}", priority="low"
            )
        self._ledger.announce()
        return job

    def fill(self, run: Run) -> Outcome:
        """Rows without a vector get theirs, some at a time."""
        begun = run.step("model", lambda: self._begin(run))
        if not begun.done:
            return begun
        done = 0
        while True:
            if run.stopped():
                return STOPPED
            total = done + self._index.count("vector IS NULL")
            run.progress("vectors", done, max(total, 1))
            missing = self._index.without_vector(ROWS_A_STEP)
            if not missing:
                self._over(run)
                return Outcome()
            step = run.step(f"rows from {done}", partial(self._some, run, missing))
            if not step.done:
                return step
            done += len(missing)

    def _begin(self, run: Run) -> Outcome:
        """What it makes is only known once it has made one."""
        one = run.ask(partial(self._models.embed, ["dimension"]))
        self._index.use_vectors(Vectors(one.model, len(one.vectors[0])))
        return Outcome()

    def _some(self, run: Run, missing: Sequence[tuple[str, str]]) -> Outcome:
        made_by = self._index.vectors
        assert made_by is not None
        made = self._embedded(run, [text for _, text in missing], made_by.model)
        if made is None:
            told = "Another model was assigned to embedding; its vectors are made by another job."
            return Outcome(done=False, code="model_changed", reason=told)
        self._index.set_vectors(dict(zip([one for one, _ in missing], made, strict=True)))
        return Outcome()

    def _over(self, run: Run) -> None:
        with self._store.writing() as connection:
            self._ledger.finish(connection, run.job.id, run.job.attempt)
        self._ledger.announce()
