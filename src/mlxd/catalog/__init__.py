"""Which models exist, what they are called, and what their files say they can do."""

from .catalogue import Catalogue, KnownModel, NameUnknown, NotDownloaded
from .folder import BrokenModel, ModelEntry, inspect

__all__ = [
    "BrokenModel",
    "Catalogue",
    "KnownModel",
    "ModelEntry",
    "NameUnknown",
    "NotDownloaded",
    "inspect",
]
