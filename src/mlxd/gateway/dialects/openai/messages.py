"""Messages of a chat into the ones that templates know: four roles, calls and results by id."""

from collections.abc import Iterator, Mapping, Sequence

from mlxd import wire
from mlxd.gateway.errors import bad

from . import schema

_ROLES = {"developer": "system", "function": "tool"}


def image_urls(messages: Sequence[schema.ChatMessage]) -> Iterator[tuple[str, str]]:
    """Every image in them: its place in the request, and its URL."""
    for i, message in enumerate(messages):
        if not isinstance(message.content, list):
            continue
        for j, part in enumerate(message.content):
            if isinstance(part, schema.ImagePart):
                if message.role not in ("user", "tool", "function"):
                    where = f"messages[{i}].content[{j}]"
                    raise bad(
                        f"{where}: an image cannot stand in a message of role {message.role!r}.",
                        where,
                    )
                url = part.image_url
                place = f"messages[{i}].content[{j}].image_url"
                yield (place, url) if isinstance(url, str) else (place + ".url", url.url)


def wire_messages(
    messages: Sequence[schema.ChatMessage], images: Mapping[str, bytes]
) -> list[wire.Message]:
    """`images` holds the files by their places, as `image_urls` named them."""
    made = []
    legacy_id = ""
    for i, message in enumerate(messages):
        calls = _calls(message, i)
        call_id = message.tool_call_id
        if message.function_call is not None:
            # The deprecated pair of a function_call and a function message has no ids.
            legacy_id = f"call_{i}"
            call = message.function_call
            calls.append(wire.ToolCall(legacy_id, call.name, call.arguments))
        if message.role == "function":
            call_id = call_id or legacy_id or None
        made.append(
            wire.Message(
                role=_ROLES.get(message.role, message.role),  # type: ignore[arg-type]
                content=_content(message, i, images),
                name=message.name,
                reasoning=message.reasoning_content or message.reasoning,
                tool_calls=calls,
                tool_call_id=call_id,
            )
        )
    return made


def _calls(message: schema.ChatMessage, i: int) -> list[wire.ToolCall]:
    if message.role != "assistant" and (message.tool_calls or message.function_call):
        name = "tool_calls" if message.tool_calls else "function_call"
        param = f"messages[{i}].{name}"
        raise bad(f"{param}: only an assistant message has them, not a {message.role} one.", param)
    return [
        wire.ToolCall(call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or ()
    ]


def _content(message: schema.ChatMessage, i: int, images: Mapping[str, bytes]) -> list[wire.Part]:
    content = message.content
    if content is None:
        return [wire.TextPart(message.refusal)] if message.refusal else []
    if isinstance(content, str):
        return [wire.TextPart(content)] if content else []
    made: list[wire.Part] = []
    for j, part in enumerate(content):
        if isinstance(part, schema.TextPart):
            made.append(wire.TextPart(part.text))
        elif isinstance(part, schema.RefusalPart):
            made.append(wire.TextPart(part.refusal))
        else:
            place, small = f"messages[{i}].content[{j}].image_url", False
            if not isinstance(part.image_url, str):
                place, small = place + ".url", part.image_url.detail == "low"
            made.append(wire.ImagePart(images[place], place, small))
    return made
