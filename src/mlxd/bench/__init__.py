"""The client part of the benchmark: measures any OpenAI-compatible server, knowing only HTTP."""

from .answer import Answer, read_stream
from .http import Client, Reply
from .measures import first_token, interference, second_turn, short_request, throughput
from .report import as_json, faults, show, table
from .run import SCENARIOS, Plan, measure, run
from .statistics import Measure, quantile, ratio
from .target import Target, Unusable, one_message

__all__ = [
    "SCENARIOS",
    "Answer",
    "Client",
    "Measure",
    "Plan",
    "Reply",
    "Target",
    "Unusable",
    "as_json",
    "faults",
    "first_token",
    "interference",
    "measure",
    "one_message",
    "quantile",
    "ratio",
    "read_stream",
    "run",
    "second_turn",
    "short_request",
    "show",
    "table",
    "throughput",
]
