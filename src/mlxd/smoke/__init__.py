"""Judges any OpenAI-compatible server and the model behind it, from outside, and says exactly what
is wrong. It knows only HTTP."""

from .check import Options
from .checks import CORE, SUITES
from .faults import Category
from .result import Report, Run, from_json, json_schema, to_json
from .runner import Observer, Plan
from .session import Session, Subject, judge, run, run_all

__all__ = [
    "CORE",
    "SUITES",
    "Category",
    "Observer",
    "Options",
    "Plan",
    "Report",
    "Run",
    "Session",
    "Subject",
    "from_json",
    "json_schema",
    "judge",
    "run",
    "run_all",
    "to_json",
]
