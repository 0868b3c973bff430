"""The answers that are being made, so that another window, or another client, can read one along,
stop it, or end it by what it does."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from pydantic_ai import CancellationToken

from .broadcast import Broadcast, Chunk

log = logging.getLogger(__name__)

ASKED_AGAIN = "The question was asked again, in another window or by another client."
DELETED = "The conversation was deleted, in another window or by another client."

# Each as it is sent, and as the client reads it; None for the end mark.
Chunks = AsyncGenerator[tuple[str, Chunk | None]]


@dataclass(eq=False)
class Turn:
    session: str
    question: str | None
    token: CancellationToken = field(default_factory=CancellationToken)
    said: Broadcast = field(default_factory=Broadcast)
    # Why it was ended from elsewhere: what its readers are told, and a reason not to keep it.
    ended: str = ""
    # Nothing more is to be read along: it is kept, or about to be.
    over: bool = False
    _task: asyncio.Task[None] | None = None

    def end(self, why: str) -> None:
        self.ended = why
        self.stop()

    def stop(self) -> None:
        """All of its readers see it end, with what was said until then."""
        self.over = True
        self.token.cancel()

    def left(self) -> None:
        """Who asked for it has gone. Where nobody else reads it, nobody is told its end."""
        if self.said.read:
            self.stop()
        elif self._task is not None:
            self._task.cancel()

    def run(self, chunks: Chunks) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._run(chunks))
        return self._task

    async def _run(self, chunks: Chunks) -> None:
        try:
            async with aclosing(chunks):
                async for text, chunk in chunks:
                    self.over = self.over or chunk is None
                    self.said.say(text, chunk)
        finally:
            self.close()

    async def broken_off(self) -> None:
        """With what was said so far kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def close(self) -> None:
        self.over = True
        self.said.end()

    def lines(self) -> AsyncIterator[str]:
        return self.said.lines()


class Going:
    """`busy` is told whether there are any."""

    def __init__(self, busy: Callable[[bool], None]) -> None:
        self._busy = busy
        self._turns: list[Turn] = []

    def begin(self, session: str, question: str | None) -> Turn:
        """A question has one answer: an earlier turn of it ends, which is what whoever asks again
        wants, and what a client that stops and asks again at once needs."""
        for one in self._of(session, question):
            one.end(ASKED_AGAIN)
        made = Turn(session, question)
        self._turns.append(made)
        self._busy(True)
        return made

    def run(self, turn: Turn, chunks: Chunks) -> None:
        turn.run(chunks).add_done_callback(lambda done: self._done(turn, done))

    def given_up(self, turn: Turn) -> None:
        """One that could not begin."""
        turn.close()
        self._forget(turn)

    def _done(self, turn: Turn, task: asyncio.Task[None]) -> None:
        self._forget(turn)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a turn was broken off", exc_info=error)

    def _forget(self, turn: Turn) -> None:
        self._turns.remove(turn)
        self._busy(bool(self._turns))

    def latest(self, session: str) -> Turn | None:
        """The one that another window would read along."""
        return next((one for one in reversed(self._of(session)) if not one.over), None)

    def sessions(self) -> set[str]:
        return {one.session for one in self._turns if not one.over}

    def stop(self, session: str, question: str | None = None) -> bool:
        """The answer to one question, or all of a conversation."""
        found = self._of(session) if question is None else self._of(session, question)
        for one in found:
            one.stop()
        return bool(found)

    def deleted(self, session: str) -> None:
        for one in self._of(session):
            one.end(DELETED)

    async def aclose(self) -> None:
        await asyncio.gather(*(one.broken_off() for one in self._turns))

    def _of(self, session: str, *question: str | None) -> list[Turn]:
        return [
            one
            for one in self._turns
            if one.session == session and (not question or one.question in question)
        ]
