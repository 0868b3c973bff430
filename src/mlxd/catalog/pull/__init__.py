"""Downloading a model, in a process of its own. This door is light: the hub's library is imported
by that process alone, and asyncio only by `.pulls`, which serves them."""

from .events import ENDED, PULL_AGAIN_S, Event, Trouble, decode
from .places import downloading, partials
from .start import arguments

__all__ = [
    "ENDED",
    "PULL_AGAIN_S",
    "Event",
    "Trouble",
    "arguments",
    "decode",
    "downloading",
    "partials",
]
