"""The suites, in the order in which they run: one module each."""

from ..check import Check, Suite
from . import (
    basic,
    cancel,
    choices,
    completions,
    concurrency,
    context,
    conversation,
    embeddings,
    errors,
    health,
    logprobs,
    multilingual,
    parallel_tools,
    reasoning,
    seed,
    steady,
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
        conversation,
        streaming,
        structured,
        vision,
        stop,
        seed,
        choices,
        logprobs,
        context,
        multilingual,
        tool_choice,
        parallel_tools,
        reasoning,
        embeddings,
        completions,
        errors,
        concurrency,
        cancel,
        steady,
    )
}
# What the word "smoke" has always meant here.
CORE = ("health", "basic", "tool-role", "tool-loop")

__all__ = ["CORE", "SUITES", "Check", "Suite"]
