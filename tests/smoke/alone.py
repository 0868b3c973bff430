"""One server, judged in a process of its own."""

import asyncio

from mlxd.smoke import Report, to_json

from .judging import judged
from .mutants import MUTANTS
from .variants import VARIANTS

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


def judge_alone(name: str) -> bytes:
    """A mutant, a variant, or the correct server under any other name."""
    variant = VARIANTS.get(name)
    run = asyncio.run(judged(BY_NAME.get(name), edit=variant() if variant else None))
    return to_json(Report(runs=[run]))
