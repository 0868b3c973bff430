"""The suites, in the order in which they run: one module each."""

from ..check import Check, Suite
from . import basic, health, tool_loop, tool_role

SUITES: dict[str, Suite] = {
    module.suite.name: module.suite for module in (health, basic, tool_role, tool_loop)
}
# What the word "smoke" has always meant here.
CORE = ("health", "basic", "tool-role", "tool-loop")

__all__ = ["CORE", "SUITES", "Check", "Suite"]
