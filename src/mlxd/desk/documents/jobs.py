"""Jobs run as durable workflows: DBOS keeps the queues and which steps are done; the ledger says
what people want to know. An attempt is one workflow; a pause, a wait or a retry ends it, and the
next attempt finds what was done in files."""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any

import msgspec
from dbos import DBOS, DBOSConfig
from dbos._serialization import DBOSPortableJSON

from mlxd.desk.config import Config
from mlxd.desk.models import Died, Failed, Lacking, Models, Unavailable

from .ledger import Job, Ledger
from .pieces import Unreadable
from .store import jobs

log = logging.getLogger(__name__)

# Smaller goes first.
PRIORITIES = {"high": 1, "normal": 10, "low": 100}
# How soon the next job in the queue is found while there are more, and how soon the first one is.
POLL_S = 0.04
IDLE_POLL_S = 0.25
# A workflow that has taken its process down this often is given up.
ATTEMPTS = 50
# A job with which engines died may only have been there. After so many attempts it is what kills
# them, and must not do so for ever.
DEADLY_ATTEMPTS = 4
# The shape of the steps: a desk of another version leaves them alone.
VERSION = "documents-1"
# How often it is asked whether what jobs wait for is there.
LOOK_S = 2.0
# Waits for nothing that could be assigned, only for better times.
AGAIN = "service"
# Beside the workers: recovery, and the queue's own chores.
SPARE_THREADS = 8


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a step ended. Plain, as it is written down by the queue."""

    done: bool = True
    pages: int = 0
    waits_for: str = ""
    code: str = ""
    reason: str = ""
    died: bool = False


STOPPED = Outcome(done=False)


class Run:
    """One attempt at a job, as its flow sees it."""

    def __init__(self, jobs: "Jobs", job: Job) -> None:
        self._jobs = jobs
        self.job = job

    def step(self, name: str, make: Callable[[], Outcome]) -> Outcome:
        """What came of it is written down, and not made again after a crash."""
        if self.stopped():
            return STOPPED
        made = DBOS.run_step({"name": name}, lambda: msgspec.to_builtins(_told(make)))
        return msgspec.convert(made, Outcome)

    def stopped(self) -> bool:
        return not self._jobs.ledger.wanted(self.job.id, self.job.attempt)

    def others_wait(self, kind: str) -> bool:
        waiting = (jobs.c.kind == kind) & (jobs.c.state == "queued")
        return bool(self._jobs.ledger.find(waiting, limit=1))

    def progress(self, step: str, done: int, total: int, worked: float = 0.0) -> None:
        self._jobs.ledger.progress(self.job.id, self.job.attempt, step, done, total, worked)

    def follow(self, job: str) -> None:
        """Another job comes after this one."""
        self._jobs.enqueue_by_id(job)

    def ask(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """A model's answer; CancelledError when the job is stopped meanwhile."""
        return self._jobs.ask(self.job.id, make)


Flow = Callable[[Run], Outcome]


def _told(make: Callable[[], Outcome]) -> Outcome:
    """What can go wrong in a way that somebody should be told, as an outcome."""
    try:
        return make()
    except Unreadable as error:
        return Outcome(done=False, code=error.code, reason=str(error))
    except Failed as error:
        return Outcome(done=False, code="model_failed", reason=str(error))
    except Lacking as error:
        return Outcome(done=False, waits_for=error.capability, reason=str(error))
    except Unavailable as error:
        died = isinstance(error, Died)
        return Outcome(done=False, waits_for=AGAIN, reason=str(error), died=died)
    except CancelledError:
        return STOPPED


class Jobs:
    """`flows`: for each kind of job, its queue and what is done."""

    def __init__(
        self,
        config: Config,
        url: str,
        executor: str,
        ledger: Ledger,
        models: Models,
        flows: Mapping[str, tuple[str, Flow]],
    ) -> None:
        self.ledger = ledger
        self._workers = config.documents.workers
        self._url = url
        self._executor = executor
        self._models = models
        self._flows = flows
        self._loop = asyncio.get_running_loop()
        self._asked: dict[str, set[Future[Any]]] = defaultdict(set)
        self._lock = threading.Lock()

    # --- the queues --------------------------------------------------------------------------

    def launch(self) -> None:
        queues = {queue for queue, _ in self._flows.values()}
        settings: DBOSConfig = {
            "name": "mlxd",
            "system_database_url": self._url,
            "application_version": VERSION,
            "executor_id": self._executor,
            "log_level": "WARNING",
            "max_executor_threads": self._workers * len(queues) + SPARE_THREADS,
            "serializer": DBOSPortableJSON,
        }
        DBOS(config=settings)

        def job(job_id: str, attempt: int) -> str:
            return self._run(job_id, attempt)

        DBOS.workflow(name="job", max_recovery_attempts=ATTEMPTS)(job)
        DBOS.launch()
        for queue in queues:
            DBOS.register_queue(
                queue,
                worker_concurrency=self._workers,
                polling_interval_sec=IDLE_POLL_S,
                on_conflict="always_update",
            )

    def hurry(self, busy: bool) -> None:
        """Looking for jobs costs little, and not nothing."""
        for name in {queue for queue, _ in self._flows.values()}:
            queue = DBOS.retrieve_queue(name)
            if queue is not None:
                queue.set_polling_interval_sec(POLL_S if busy else IDLE_POLL_S)

    def enqueue(self, job: Job) -> None:
        """Once, however often it is called for this attempt."""
        DBOS.enqueue_workflow_with_options(
            {
                "workflow_name": "job",
                "queue_name": self._flows[job.kind][0],
                "workflow_id": _workflow(job),
                "priority": PRIORITIES[job.priority],
                "app_version": VERSION,
            },
            job.id,
            job.attempt,
        )

    def enqueue_by_id(self, job: str) -> None:
        found = self.ledger.get(job)
        if found is not None and found.state == "queued":
            self.enqueue(found)

    def recover(self, executor: str) -> None:
        """What another one had begun goes back into the queue."""
        DBOS._recover_pending_workflows([executor])

    def reconcile(self) -> None:
        """Jobs whose attempt never reached the queue, or was given up there."""
        for job in self.ledger.find(jobs.c.state.in_(("queued", "running")), limit=1_000_000):
            status = DBOS.get_workflow_status(_workflow(job))
            if status is None:
                self.enqueue(job)
            elif status.status in ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED"):
                told = f"The desk ended {ATTEMPTS} times in the middle of this job."
                if status.status == "ERROR":
                    told = f"A defect in the desk: {status.error}"
                self.ledger.begin(job.id, job.attempt)
                self.ledger.fail(job.id, job.attempt, "internal_error", told)

    def _run(self, job_id: str, attempt: int) -> str:
        job = self.ledger.begin(job_id, attempt, self._executor)
        if job is None:
            return "no longer wanted"
        try:
            outcome = self._flows[job.kind][1](Run(self, job))
        except Exception as error:
            # It would only be known to the queue; whoever waits for the job reads the ledger.
            log.exception("job %s", job_id)
            told = f"A defect in the desk: {type(error).__name__}: {error}"
            outcome = Outcome(done=False, code="internal_error", reason=told)
        if outcome.done:
            return "done"
        if outcome.died and attempt >= DEADLY_ATTEMPTS:
            outcome = Outcome(done=False, code="model_failed", reason=outcome.reason)
        if outcome.code:
            self.ledger.fail(job.id, attempt, outcome.code, outcome.reason)
            return "failed"
        if outcome.waits_for:
            self.ledger.wait(job.id, attempt, outcome.waits_for, outcome.reason)
            return "waits"
        return "stopped"

    # --- what a person asks for --------------------------------------------------------------

    def pause(self, job: str) -> bool:
        moved = self.ledger.hold(job)
        self.interrupt(job)
        return moved

    def cancel(self, job: str, reason: str = "cancelled by request") -> bool:
        moved = self.ledger.cancel(job, reason)
        self.interrupt(job)
        return moved

    def again(self, job: str, *states: str, **more: Any) -> bool:
        found = self.ledger.again(job, states, **more)
        if found is not None:
            self.enqueue(found)
        return found is not None

    # --- asking models from the threads of workflows ------------------------------------------

    def ask(self, job: str, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        asked = asyncio.run_coroutine_threadsafe(make(), self._loop)
        with self._lock:
            self._asked[job].add(asked)
        try:
            return asked.result()
        finally:
            with self._lock:
                self._asked[job].discard(asked)
                if not self._asked[job]:
                    del self._asked[job]

    def interrupt(self, job: str) -> None:
        """It may be in the middle of a model's answer that nobody wants any more."""
        with self._lock:
            theirs = list(self._asked.get(job, ()))
        for one in theirs:
            one.cancel()

    # --- what jobs wait for ------------------------------------------------------------------

    async def watch(self, assigned: Callable[[Mapping[str, str | None]], None]) -> None:
        """`assigned` is told, from a thread, which model serves each capability."""
        while True:
            await asyncio.sleep(LOOK_S)
            # Before: what was assigned earlier is no news for one that has found nobody since.
            waiting = await asyncio.to_thread(
                self.ledger.find, jobs.c.state == "waiting", limit=1_000
            )
            try:
                now = await self._models.assigned()
            except Exception as error:  # noqa: BLE001 - the gateway is asked again in a moment
                log.info("what is assigned could not be asked: %s", error)
                continue
            await asyncio.to_thread(assigned, now)
            for job in waiting:
                if job.waits_for == AGAIN or now.get(job.waits_for or ""):
                    await asyncio.to_thread(self.again, job.id, "waiting")


def _workflow(job: Job) -> str:
    return f"{job.id}-{job.attempt}"
