"""Everything between text and token ids: imports no model library, starts in milliseconds."""

from .grammars import GrammarFault, Grammars, InvalidGrammar, Matcher
from .guard import Rendered
from .piece import Ending, Piece
from .reply import Reply
from .style import PLAIN, Style
from .template import InvalidChat, Template
from .tokenizer import Tokenizer, UnusableModel

__all__ = [
    "PLAIN",
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
