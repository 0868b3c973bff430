"""One call from names of servers and models to a Report; and what Ctrl-C does meanwhile."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager

import msgspec

import mlxd

from .result import Report, Run, Target
from .runner import Observer, Plan, Runner, Silent
from .started import NotStarted, served

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Subject(msgspec.Struct, kw_only=True, frozen=True):
    """What to judge: a server that runs (`url`), or a model to start one with.

    `model_id` is what requests call the model; empty means the first that the server lists.
    """

    name: str = ""
    url: str = ""
    model: str = ""
    model_id: str = ""
    api_key: str | None = None
    # Trust any TLS certificate.
    insecure: bool = False

    def target(self) -> Target:
        name = self.name or self.url.split("://")[-1] or self.model or "mlxd"
        return Target(name=name, url=self.url, model=self.model_id)


class Session:
    """Judges subjects one after the other. After `stop`, the report has what there is."""

    def __init__(
        self, subjects: Sequence[Subject], plan: Plan, observer: Observer | None = None
    ) -> None:
        self._subjects = subjects
        self._plan = plan
        self._observer = observer or Silent()
        self._runner: Runner | None = None
        self._starting: asyncio.Task[None] | None = None
        self._cut = ""

    def stop(self, why: str) -> None:
        self._cut = self._cut or why
        if self._runner:
            self._runner.stop(self._cut)
        if self._starting:
            self._starting.cancel()

    async def run(self) -> Report:
        runs = [await self._judge(subject) for subject in self._subjects]
        return Report(runs=runs, mlxd_version=mlxd.__version__)

    async def _judge(self, subject: Subject) -> Run:
        target = subject.target()
        runner = Runner(
            target,
            self._plan,
            self._observer,
            api_key=subject.api_key,
            insecure=subject.insecure,
        )
        async with AsyncExitStack() as stack:
            problem = ""
            if not subject.url and not self._cut:
                problem = await self._start(subject.model, target, stack)
            if problem or self._cut:
                return runner.not_run(self._cut or problem)
            self._runner = runner
            try:
                return await runner.run()
            finally:
                self._runner = None

    async def _start(self, model: str, target: Target, stack: AsyncExitStack) -> str:
        """Empty, or why there is no server."""

        async def start() -> None:
            started = await stack.enter_async_context(served(model))
            target.url, target.command, target.started_by_us = started.url, started.command, True

        self._observer.starting(model)
        self._starting = task = asyncio.create_task(start())
        try:
            await task
        except NotStarted as problem:
            return str(problem)
        except asyncio.CancelledError:
            if not self._cut:
                raise
        finally:
            self._starting = None
        return ""


async def judge(
    subjects: Sequence[Subject], plan: Plan | None = None, observer: Observer | None = None
) -> Report:
    return await Session(subjects, plan or Plan(), observer).run()


def run(
    *,
    url: str = "",
    model: str = "",
    model_id: str = "",
    api_key: str | None = None,
    plan: Plan | None = None,
    observer: Observer | None = None,
) -> Report:
    """Judge one server (`url`), or one model on a server that is started for it."""
    subject = Subject(url=url, model=model, model_id=model_id, api_key=api_key)
    return run_all([subject], plan, observer)


def run_all(
    subjects: Sequence[Subject],
    plan: Plan | None = None,
    observer: Observer | None = None,
    *,
    held: bool = False,
) -> Report:
    """Ctrl-C or SIGTERM end it early with a whole report. Where a loop runs already, as in a
    notebook, this one has a thread of its own; `judge` is what does not block that loop.
    `held`: the caller has blocked these signals, from before it began until all is written."""
    session = Session(subjects, plan or Plan(), observer)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(session, held)
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(_run, session, False).result()


def _run(session: Session, held: bool) -> Report:
    with asyncio.Runner() as loop, _signals(session, loop.get_loop(), held):
        return loop.run(session.run())


@contextmanager
def _signals(session: Session, loop: asyncio.AbstractEventLoop, held: bool) -> Iterator[None]:
    """Only in the main thread can signals be caught; elsewhere they are the caller's matter."""
    caught: tuple[signal.Signals, ...] = CAUGHT
    try:
        for number in caught:
            name = signal.Signals(number).name
            loop.add_signal_handler(number, session.stop, f"interrupted by {name}")
    except (ValueError, RuntimeError):
        caught = ()
    if held:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, CAUGHT)
    try:
        yield
    finally:
        if held:
            signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
        for number in caught:
            loop.remove_signal_handler(number)
