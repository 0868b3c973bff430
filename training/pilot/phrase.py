"""A tiny phrase grammar: "[Please |]read {what}[.|!]" becomes one of its readings."""

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_MARKS = "\"'“”,.:;!?()，。：；！？（） \n"


def choose(rng: random.Random, template: str) -> str:
    """Resolve every [a|b|c] of a template, innermost first."""
    while True:
        template, hits = _INNERMOST.subn(lambda m: rng.choice(m[1].split("|")), template)
        if not hits:
            return template


_WORD = re.compile(r"\{\w+\}|[A-Za-z]+|[\u4e00-\u9fff]")


def loosen(rng: random.Random, template: str, words: list[str], share: float = 0.25) -> str:
    """Now and then, a few words of a template are others or gone: what stays has to be enough."""
    if rng.random() >= share:
        return template
    rate = rng.choice([0.08, 0.15, 0.3])

    def change(match: re.Match[str]) -> str:
        word = match[0]
        if word[0] == "{" or rng.random() >= rate:
            return word
        return "" if not word.isascii() or rng.random() < 0.35 else rng.choice(words)

    changed = " ".join(_WORD.sub(change, template).split(" "))
    return changed if changed.strip(_MARKS) else template


def _opens_with(text: str, values: Any) -> bool:
    """Whether a text begins with something that an answer has to repeat letter by letter."""
    told = values if isinstance(values, str) else json.dumps(values, ensure_ascii=False)
    return text.split(maxsplit=1)[0].strip(_MARKS) in told


def capital(text: str, values: Any) -> str:
    """With a capital at the beginning, unless a value stands there."""
    return text if _opens_with(text, values) else text[0].upper() + text[1:]


def small(text: str, values: Any) -> str:
    """The other way round."""
    return text if _opens_with(text, values) else text[0].lower() + text[1:]


def slots_of(template: str) -> list[str]:
    return _SLOT.findall(template)


def _tidy(text: str) -> str:
    """A choice left empty leaves a double space, or one before a full stop."""
    return text.replace("  ", " ").replace(" .", ".").replace(" ?", "?")


def fill(template: str, values: dict[str, Any]) -> str:
    return _SLOT.sub(lambda m: str(values.get(m[1], m[0])), template)


def say(rng: random.Random, template: str | list[str], **values: Any) -> str:
    """One reading of a template (or of one from a list), with its slots filled."""
    if isinstance(template, list):
        template = rng.choice(template)
    return fill(_tidy(choose(rng, template)), values)


def lines(block: str) -> list[str]:
    """The templates of a block of text, one a line."""
    return [line.strip() for line in block.strip().splitlines() if line.strip()]


@dataclass
class Example:
    """One conversation and the answer that the model is to give."""

    skill: str
    messages: list[dict[str, Any]]
    answer: str
    tools: list[dict[str, Any]] | None = None
    meta: dict[str, Any] = field(default_factory=dict)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}
