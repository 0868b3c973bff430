"""Finds what will go wrong before it does, and says which command mends it.

Importing this imports nothing heavy: whatever could crash or take long runs in a child process.
"""

from .examination import Examination, examine
from .finding import Case, Finding, Report, Status
from .remedies import Remedy, remedies

__all__ = [
    "Case",
    "Examination",
    "Finding",
    "Remedy",
    "Report",
    "Status",
    "examine",
    "remedies",
]
