from dataclasses import dataclass

from .calls import Format, format_of
from .markers import THINKING
from .template import Template
from .tokenizer import Tokenizer


@dataclass(frozen=True)
class Style:
    """How a model marks reasoning and tool calls."""

    think: tuple[str, str] | None = None
    calls: Format | None = None

    @classmethod
    def infer(cls, template: Template, tokenizer: Tokenizer) -> "Style":
        think = None
        for start, end in THINKING:
            named = end in template.source
            known = tokenizer.token_id(start) is not None and tokenizer.token_id(end) is not None
            if named or known:
                think = (start, end)
                break
        return cls(think=think, calls=format_of(template.source))

    def opened_by(self, prompt: str) -> bool:
        """Whether the prompt ends inside reasoning, so that the reply begins there."""
        return self.think is not None and prompt.rstrip().endswith(self.think[0])

    @property
    def markers(self) -> tuple[str, ...]:
        """Every text that means something in a reply; never shown, never dropped unread."""
        return (*(self.think or ()), *(self.calls.markers if self.calls else ()))


PLAIN = Style()
