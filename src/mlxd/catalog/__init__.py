"""Which models exist, what they are called, and what their files say they can do."""

from . import rows
from .catalogue import (
    PILOT,
    Catalogue,
    Found,
    NameAmbiguous,
    NameUnknown,
    NotDownloaded,
    shortened,
)
from .folder import BrokenModel, ModelEntry, inspect
from .hub import hub_cache
from .listing import CAPABILITIES, LABELS, CatalogueError, KnownModel, is_hub_id, near

__all__ = [
    "CAPABILITIES",
    "LABELS",
    "PILOT",
    "BrokenModel",
    "Catalogue",
    "CatalogueError",
    "Found",
    "KnownModel",
    "ModelEntry",
    "NameAmbiguous",
    "NameUnknown",
    "NotDownloaded",
    "hub_cache",
    "inspect",
    "is_hub_id",
    "near",
    "rows",
    "shortened",
]
