"""Whose fault a failed check is: the gateway's, the engine's, the template's or the model's."""

from .blame import accuse

__all__ = ["accuse"]
