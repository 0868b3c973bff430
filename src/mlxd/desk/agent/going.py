"""The answers that are being made, so that another window, or another client, can end one."""

from dataclasses import dataclass, field
from weakref import WeakSet

from pydantic_ai import CancellationToken

ASKED_AGAIN = "The question was asked again, in another window or by another client."
DELETED = "The conversation was deleted, in another window or by another client."


@dataclass(eq=False)
class Turn:
    session: str
    question: str | None
    token: CancellationToken = field(default_factory=CancellationToken)
    # Why it was ended from elsewhere: what its client is told, and a reason not to keep it.
    ended: str = ""

    def end(self, why: str) -> None:
        self.ended = why
        self.token.cancel()


class Going:
    def __init__(self) -> None:
        # One that is over is gone by itself.
        self._turns: WeakSet[Turn] = WeakSet()

    def begin(self, session: str, question: str | None) -> Turn:
        """A question has one answer: an earlier turn of it ends, which is what whoever asks again
        wants, and what a client that stops and asks again at once needs."""
        for one in self._of(session):
            if one.question == question:
                one.end(ASKED_AGAIN)
        made = Turn(session, question)
        self._turns.add(made)
        return made

    def deleted(self, session: str) -> None:
        for one in self._of(session):
            one.end(DELETED)

    def _of(self, session: str) -> list[Turn]:
        return [one for one in self._turns if one.session == session]
