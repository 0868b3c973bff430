"""The suites, in the order in which they run: one module each."""

from ..check import Check, Suite
from . import (
    basic,
    cancel,
    concurrency,
    context,
    embeddings,
    errors,
    health,
    multilingual,
    parallel_tools,
    reasoning,
    seed,
    stop,
    streaming,
    structured,
    tool_choice,
    tool_loop,
    tool_role,
    vision,
)

SUITES: dict[str, Suite] = {
    module.suite.name: module.suite
    for module in (
        health,
        basic,
        tool_role,
        tool_loop,
        streaming,
        structured,
        vision,
        stop,
        seed,
        context,
        multilingual,
        tool_choice,
        parallel_tools,
        reasoning,
        embeddings,
        errors,
        concurrency,
        cancel,
    )
}
# What the word "smoke" has always meant here.
CORE = ("health", "basic", "tool-role", "tool-loop")

__all__ = ["CORE", "SUITES", "Check", "Suite"]
