"""The writer thread: token ids in, what the client may see out, one frame a step."""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mlxd.wire import ChannelClosed, EngineEnd, Event, Failed, Step, TokenLogprob, Usage

from .job import Job
from .text import Tokenizer

log = logging.getLogger(__name__)

Top = list[tuple[int, float]]
Reason = Literal["stop", "length"]


@dataclass(frozen=True)
class _Token:
    job: Job
    token: int
    logprob: float | None
    top: Top
    reason: Reason | None


class Writer:
    """`token`, `failed` and `flush` belong to the step thread; the rest runs on this one.

    `stopped(job)` is called when a stop string ended an answer, so that its row is dropped;
    `ended(job)` when nothing more will be said of a job.
    """

    def __init__(
        self,
        channel: EngineEnd,
        tokenizer: Tokenizer,
        stopped: Callable[[Job], None],
        ended: Callable[[Job], None],
    ) -> None:
        self._channel = channel
        self._tokenizer = tokenizer
        self._stopped = stopped
        self._ended = ended
        self._step: list[_Token] = []
        self._queue: queue.SimpleQueue[list[_Token] | tuple[Job, Failed] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Say what there is to say, then end."""
        self._queue.put(None)
        self._thread.join()

    def token(
        self, job: Job, token: int, logprob: float | None, top: Top, reason: Reason | None
    ) -> None:
        self._step.append(_Token(job, token, logprob, top, reason))

    def flush(self) -> None:
        if self._step:
            self._queue.put(self._step)
            self._step = []

    def failed(self, job: Job, failed: Failed) -> None:
        job.failed = True
        self.flush()
        self._queue.put((job, failed))

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, tuple):
                    self._say_failed(*item)
                else:
                    self._say_step(item)
                # While it waits for the next step, it must not be what keeps these jobs alive.
                del item
        except ChannelClosed:
            log.info("the gateway is gone; nothing more to say")

    def _say_failed(self, job: Job, failed: Failed) -> None:
        if not job.over:
            job.over = True
            self._channel.send(failed)
        self._ended(job)

    def _say_step(self, tokens: list[_Token]) -> None:
        events = []
        for item in tokens:
            if item.job.over:
                continue  # a step that was under way when its stop string was found
            try:
                events.append(self._event(item))
            except Exception as error:  # detokenising or parsing: this answer's own fault
                log.exception("request %d: its answer can't be written", item.job.id)
                item.job.cancelled = True
                self._stopped(item.job)
                told = str(error) or type(error).__name__
                self._say_failed(item.job, Failed(item.job.id, "engine", told))
        if events:
            self._channel.send(Step(events))
        for item in tokens:
            if item.job.over:
                self._ended(item.job)

    def _event(self, item: _Token) -> Event:
        job, reply = item.job, item.job.reply
        assert reply is not None
        job.written += 1
        logprobs = [] if item.logprob is None else [self._logprob(item)]
        piece = reply.push(item.token)
        reason = "stop" if piece.stopped else item.reason
        if reason is None:
            return Event(job.id, [item.token], piece.text, piece.reasoning, piece.calls, logprobs)
        job.over = True
        if piece.stopped:
            self._stopped(job)
        ending = reply.finish(reason)
        why = ending.why
        if not why and ending.finish == "length" and job.clamped:
            why = "context"
        return Event(
            job.id,
            [item.token],
            piece.text + ending.piece.text,
            piece.reasoning + ending.piece.reasoning,
            piece.calls + ending.piece.calls,
            logprobs,
            ending.finish,
            why,
            Usage(len(job.prompt), job.written, job.cached, reply.reasoning_tokens),
        )

    def _logprob(self, item: _Token) -> TokenLogprob:
        assert item.logprob is not None
        top = [self._one(token, value) for token, value in item.top]
        return self._one(item.token, item.logprob, top)

    def _one(
        self, token: int, logprob: float, top: list[TokenLogprob] | None = None
    ) -> TokenLogprob:
        t = self._tokenizer
        return TokenLogprob(t.token_text(token), logprob, t.token_bytes(token), top or [])
