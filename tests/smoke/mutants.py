"""Every mutant of the correct server: one fault each, and the category it has to be put into."""

from . import (
    edits,
    further_mutants,
    model_mutants,
    more_model_mutants,
    odd_mutants,
    other_mutants,
    wire_mutants,
)
from .mutant import MUTANTS, TIMEOUT_S, Mutant

__all__ = [
    "MUTANTS",
    "TIMEOUT_S",
    "Mutant",
    "edits",
    "further_mutants",
    "model_mutants",
    "more_model_mutants",
    "odd_mutants",
    "other_mutants",
    "wire_mutants",
]
