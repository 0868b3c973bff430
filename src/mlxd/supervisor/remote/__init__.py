"""OpenAI-compatible servers elsewhere, whose models are served as if they were here."""

from .asking import Asking
from .remotes import Remotes

__all__ = ["Asking", "Remotes"]
