"""How models write tool calls. Each format says how it begins and reads itself; a text that turns
out to be no call is given back."""

from .cursor import Opening, Section, Sink
from .formats import FORMATS, Envelope, Format, format_of

__all__ = ["FORMATS", "Envelope", "Format", "Opening", "Section", "Sink", "format_of"]
