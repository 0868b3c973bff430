"""What each kind of job does, step by step."""

import time
from functools import partial

from mlxd.desk.config import Config

from .jobs import STOPPED, Flow, Outcome, Run
from .publish import Publisher, Ready
from .reading import Reading
from .tagging import Tagging, following
from .vectors import Vectoriser

# Documents are not to wait until everything before them has its tags.
DOCUMENTS, BACKGROUND = "documents", "background"
# So long at most tags let documents go first: without an end, they might never come.
YIELD_S = 60.0
YIELD_LOOK_S = 0.5


class Flows:
    def __init__(
        self,
        config: Config,
        reading: Reading,
        publisher: Publisher,
        vectoriser: Vectoriser,
        tagging: Tagging,
    ) -> None:
        self._settings = config.documents
        self._reading = reading
        self._publisher = publisher
        self._vectoriser = vectoriser
        self._tagging = tagging

    def all(self) -> dict[str, tuple[str, Flow]]:
        return {
            "document": (DOCUMENTS, self._document),
            "tags": (BACKGROUND, self._tags),
            "vectors": (BACKGROUND, self._vectoriser.fill),
        }

    def _document(self, run: Run) -> Outcome:
        """Read it, look at its pictures, and let it be found."""
        job, reading = run.job, self._reading
        surveyed = run.step("survey", lambda: reading.survey(run))
        if not surveyed.done:
            return surveyed
        pages, total = surveyed.pages, surveyed.pages + 1
        for number in range(1, pages + 1):
            if not reading.needs_model(reading.page(job, number)):
                continue
            run.progress(f"page {number}", number - 1, total)
            began = time.monotonic()
            seen = run.step(f"page {number}", partial(reading.look, run, number))
            if not seen.done:
                return seen
            run.progress(f"page {number}", number, total, time.monotonic() - began)
        if self._settings.summaries:
            run.progress("summaries", pages, total)
            told = run.step("summaries", lambda: reading.summarise(run))
            if not told.done:
                return told
        run.progress("index", pages, total)
        indexed = run.step("index", lambda: self._index(run))
        if indexed.done and self._settings.tags:
            run.follow(following(job))
        return indexed

    def _tags(self, run: Run) -> Outcome:
        """Documents that are still to be read are wanted sooner than tags."""
        until = time.monotonic() + YIELD_S
        while time.monotonic() < until and run.others_wait("document"):
            if run.stopped():
                return STOPPED
            time.sleep(YIELD_LOOK_S)
        return self._tagging.flow(run)

    def _index(self, run: Run) -> Outcome:
        survey, made, children = self._reading.chunked(run.job)
        vectors = self._vectoriser.vectors(run, [child.text for child in children])
        ready = Ready(run.job, survey, made, children, vectors)
        return Outcome() if self._publisher.publish(ready) else STOPPED
