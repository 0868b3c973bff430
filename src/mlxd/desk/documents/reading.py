"""The steps of a document's job. Each leaves what it made in a file, so that a step that is run
once more after a crash finds it and asks no model again."""

from pathlib import Path

import msgspec

from mlxd.desk.config import Config

from . import chunks
from .describe import Describer
from .files import Files, once, write
from .jobs import STOPPED, Outcome, Run
from .kinds import recognise
from .ledger import Job
from .parse import Extraction, extract, plain
from .pieces import Block, Child, Page, Parent, Survey, page_file
from .words import tokens


class Reading:
    def __init__(
        self,
        config: Config,
        files: Files,
        describer: Describer,
    ) -> None:
        self._limits = config.documents
        self._files = files
        self._describer = describer

    def survey(self, run: Run) -> Outcome:
        """Pages and pictures as files; how many pages there are."""
        found = self._parsed(run)
        return STOPPED if found is None else Outcome(pages=found.pages)

    def _parsed(self, run: Run) -> Survey | None:
        job = run.job
        document, revision = _place(job)
        work = self._files.work(document, revision)
        original = self._files.original(document, revision)
        kind = recognise(original, job.name)
        if kind.parser == "plain" and original.stat().st_size <= plain.SMALL_BYTES:
            if (work / "survey.json").exists():
                return self.surveyed(job)
            survey = plain.survey(original, job.name, self._limits.page_limit, work)
            write(work / "survey.json", msgspec.json.encode(survey))
            return survey
        limits = self._limits
        request = Extraction(
            file=str(original),
            name=job.name,
            parser=kind.parser,
            out=str(work),
            images=str(self._files.images(document, revision)),
            page_limit=limits.page_limit,
            pixel_limit=limits.pixel_limit,
            unpacked_limit=limits.unpacked_limit,
            image_side=limits.image_side,
            memory=limits.parse_memory,
            seconds=limits.parse_timeout,
        )
        return extract(request, run.stopped)

    def surveyed(self, job: Job) -> Survey:
        file = self._files.work(*_place(job)) / "survey.json"
        return msgspec.json.decode(file.read_bytes(), type=Survey)

    def page(self, job: Job, number: int) -> Page:
        file = self._files.work(*_place(job)) / page_file(number)
        return msgspec.json.decode(file.read_bytes(), type=Page)

    def needs_model(self, page: Page) -> bool:
        if page.picture is not None:
            return True
        return self._limits.describe and any(one.kind == "image" for one in page.blocks)

    def look(self, run: Run, number: int) -> Outcome:
        """A page's picture is read, and its images are described, each once."""
        page = self.page(run.job, number)
        if page.picture is not None:
            self._seen(run, page, None)
        if self._limits.describe:
            for block in page.blocks:
                if block.kind == "image":
                    if run.stopped():
                        return STOPPED
                    self._seen(run, page, block)
        return Outcome()

    def _seen(self, run: Run, page: Page, block: Block | None) -> None:
        """What the model reads in a page's picture, or sees in one of its images."""
        place = _place(run.job)
        image = str(page.picture if block is None else block.image)
        picture = self._files.images(*place) / image

        def make() -> str:
            if block is None:
                return str(run.ask(lambda: self._describer.read(picture)))
            around = _around(page, block)
            return str(run.ask(lambda: self._describer.describe(picture, around)))

        once(self._files.work(*place) / f"seen-{image}.json", str, make)

    def chunked(self, job: Job) -> tuple[Survey, list[Parent], list[Child]]:
        """From files alone: the same each time."""
        work = self._files.work(*_place(job))
        survey = self.surveyed(job)
        pages = [self.page(job, number) for number in range(1, survey.pages + 1)]
        seen = {
            file.name.removeprefix("seen-").removesuffix(".json"): msgspec.json.decode(
                file.read_bytes(), type=str
            )
            for file in work.glob("seen-*.json")
        }
        made = chunks.parents(pages, seen, survey.paged)
        return survey, made, chunks.children(made, self._summaries(work))

    def _summaries(self, work: Path) -> dict[int, str]:
        file = work / "summaries.json"
        if not file.exists():
            return {}
        return msgspec.json.decode(file.read_bytes(), type=dict[int, str])

    def summarise(self, run: Run) -> Outcome:
        """Long parents get a summary as a further child."""
        _, made, _ = self.chunked(run.job)
        work = self._files.work(*_place(run.job))
        told: dict[int, str] = {}
        for parent in made:
            if parent.kind in ("text", "page") and tokens(parent.text) > LONG_TOKENS:
                if run.stopped():
                    return STOPPED
                told[parent.number] = self._summary(run, work, parent)
        write(work / "summaries.json", msgspec.json.encode(told))
        return Outcome()

    def _summary(self, run: Run, work: Path, parent: Parent) -> str:
        def make() -> str:
            return str(run.ask(lambda: self._describer.summarise(parent.text)))

        return str(once(work / f"summary-{parent.number}.json", str, make))


# Of a parent that gets a summary: shorter ones say as much themselves.
LONG_TOKENS = 200


def _place(job: Job) -> tuple[str, str]:
    assert job.document is not None
    assert job.revision is not None
    return job.document, job.revision


def _around(page: Page, block: Block) -> str:
    """The text that stands next to an image on its page."""
    made = chunks.parents([Page(page.number, page.blocks, page.size)], {}, paged=True)
    number = next((one.number for one in made if one.image == block.image), None)
    return "" if number is None else chunks.surroundings(made, number)
