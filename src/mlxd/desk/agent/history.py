"""What of a long conversation the model is given: the newest that fits, never the oldest."""

from collections.abc import Sequence

from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    UserPromptPart,
)

# Of a text no tokenizer is at hand for. A token is seldom under three bytes of Latin script, and
# a Chinese character, three bytes, seldom more than one token.
BYTES_PER_TOKEN = 3
# What the frame of a message takes: role, separators.
PER_MESSAGE = 8
# A picture of a megapixel in the common vision models.
PER_IMAGE = 1300


def tokens(message: ModelMessage) -> int:
    """About how many tokens a message takes, rather too many than too few."""
    total = PER_MESSAGE
    for part in message.parts:
        content = getattr(part, "content", None)
        if isinstance(content, str):
            total += _text(content)
        elif isinstance(content, Sequence):
            total += sum(_text(c) if isinstance(c, str) else PER_IMAGE for c in content)
        elif content is not None:
            total += _text(str(content))
        args = getattr(part, "args", None)
        if args:
            total += _text(str(args))
    return total


def _text(text: str) -> int:
    return len(text.encode()) // BYTES_PER_TOKEN + 1


def has_images(messages: Sequence[ModelMessage]) -> bool:
    for message in messages:
        for part in message.parts:
            content = part.content if isinstance(part, UserPromptPart) else ()
            if not isinstance(content, str) and any(_is_image(one) for one in content):
                return True
    return False


def _is_image(content: object) -> bool:
    return isinstance(content, ImageUrl) or (
        isinstance(content, BinaryContent) and content.is_image
    )


def newest(messages: Sequence[ModelMessage], budget: int) -> list[ModelMessage]:
    """The longest end of the conversation within the budget that begins with what a user said, so
    that no tool's result stands without its call. The last such beginning is always kept: what
    can't be shortened here is refused by the model's own limit, in its own words."""
    starts = [n for n, one in enumerate(messages) if _is_question(one)]
    if not starts:
        return list(messages)
    best = starts[-1]
    used = sum(tokens(one) for one in messages[best:])
    for start in reversed(starts[:-1]):
        used += sum(tokens(one) for one in messages[start:best])
        if used > budget:
            break
        best = start
    return list(messages[best:])


def _is_question(message: ModelMessage) -> bool:
    if isinstance(message, ModelResponse):
        return False
    assert isinstance(message, ModelRequest)
    return any(isinstance(part, UserPromptPart) for part in message.parts)
