"""Why a round failed. Exactly one category each, so that reports can be counted and compared."""

from typing import Literal

Category = Literal[
    "server_down",
    "timeout",
    "wire_format",
    "empty_answer",
    "reasoning_budget",
    "wrong_answer",
    "wrong_tool_call",
    "markup_leaked",
]


class Fault(Exception):
    """The server or the model did something wrong.

    `error`: nothing could be judged at all (no connection), which is not the check's verdict.
    """

    def __init__(
        self, category: Category, message: str, *, got: str = "", error: bool = False
    ) -> None:
        super().__init__(message)
        self.category: Category = category
        self.message = message
        self.got = got
        self.error = error


class Skip(Exception):
    """The check does not apply to this server or model, and the message says why."""
