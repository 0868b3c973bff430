"""One request inside the engine, from the frame that brought it to the event that ends it."""

import time
from dataclasses import dataclass, field
from typing import Any

from mlxd.wire import Failed, Priority, Submit

from .sampling import RowSampling
from .text import Matcher, Reply


class Refused(Exception):
    """This request can't be served as asked; the engine itself is fine."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code

    def failed(self, request: int) -> Failed:
        return Failed(request, "client", self.message, self.param, self.code)


@dataclass
class Job:
    """Filled in by the preparer, then owned by the step thread; `reply` by the writer alone.

    `cancelled` is the one field that any thread may set: the step thread drops the job when it
    sees it. `clamped` says that the context's end, not the client, set the budget.
    """

    submit: Submit
    arrived: float = field(default_factory=time.monotonic)
    cancelled: bool = False

    # from the preparer
    prompt: list[int] = field(default_factory=list)
    vision: Any = None
    sampling: RowSampling = field(default_factory=RowSampling)
    budget: int = 0
    clamped: bool = False
    eos: frozenset[int] = frozenset()
    matcher: Matcher | None = None
    reply: Reply | None = None

    # of the step thread
    generated: list[int] = field(default_factory=list)
    cached: int = 0
    failed: bool = False

    # of the writer: how many tokens it has said, and whether it has said the last
    written: int = 0
    over: bool = False

    @property
    def id(self) -> int:
        return self.submit.id

    @property
    def batch_class(self) -> bool:
        return self.submit.priority == Priority.BATCH

    @property
    def left(self) -> int:
        """How many tokens it may still generate."""
        return self.budget - len(self.generated)

    @property
    def tokens(self) -> list[int]:
        return self.prompt + self.generated
