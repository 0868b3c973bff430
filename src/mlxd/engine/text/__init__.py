"""Everything between text and token ids: imports no model library, starts in milliseconds."""

from .conversation import InvalidChat
from .grammars import GrammarFault, Grammars, InvalidGrammar, Matcher
from .guard import Rendered
from .piece import Ending, Piece
from .reply import Reply
from .style import PLAIN, Style
from .template import Template
from .tokenizer import Tokenizer, UnusableModel
from .trial import ROOM_TO_COMPILE

__all__ = [
    "PLAIN",
    "ROOM_TO_COMPILE",
    "Ending",
    "GrammarFault",
    "Grammars",
    "InvalidChat",
    "InvalidGrammar",
    "Matcher",
    "Piece",
    "Rendered",
    "Reply",
    "Style",
    "Template",
    "Tokenizer",
    "UnusableModel",
]
