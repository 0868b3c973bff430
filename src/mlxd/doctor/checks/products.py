"""mlxd's own products for few rows, built with gcc: there, and what they gain."""

import sys

from mlxd.machine import damaged_files

from ..finding import Case, Finding, ok, skipped, warn
from ..hints import compiler_off_path, install_compiler, ours

TITLE = "Own products"
WHY = "They read each weight once, as it was saved: decoding is two to four times faster with them."

NOTE = "mlxd's own products"


def look(case: Case) -> Finding:
    if sys.platform != "linux":
        return skipped("only on a Linux CPU")
    from mlxd.machine.device import expects_accelerator

    if expects_accelerator():
        return skipped("a CUDA wheel is installed: products are the GPU's")
    if case.settings.engine.blas == "off":
        return skipped("switched off with the BLAS (engine.blas)")
    arguments = {"blas": case.settings.engine.blas}
    used = case.ask("blas:probe", arguments, limit_s=90)
    bare = case.ask("blas:probe", arguments, limit_s=60, PATH="/nonexistent")
    if used.value is None:
        return warn(f"they can't be measured: {used.failure}", ours("doctor", "--json"))
    note = used.value["notes"][0].rpartition("; ")[2]
    facts = {"row_us": used.value["row_us"], "note": note}
    if not note.startswith(NOTE):
        told = note.partition("so decoding is slower: ")[2] or note
        if damaged_files():
            return warn(f"not used: {told}", ours("doctor", "--fix", "--only", "products"), **facts)
        if folder := compiler_off_path(case.environ, "gcc"):
            return warn(f"not used: {told}", f"export PATH=$PATH:{folder}", **facts)
        return warn(f"not used: {told}", install_compiler(), **facts)
    if bare.value is None:
        return ok(f"used: one row in {facts['row_us']:.0f} µs", **facts)
    facts["without_us"] = bare.value["row_us"]
    told = (
        f"used: one row of 512 × 512 in {facts['row_us']:.0f} µs, {facts['without_us']:.0f} without"
    )
    return ok(told, **facts)
