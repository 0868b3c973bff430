"""What stands in the messages of a request."""

import base64
import json
from typing import Any


def picture(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def texts(message: dict[str, Any]) -> list[str]:
    content = message.get("content") or ""
    if isinstance(content, str):
        return [content] if content else []
    return [part["text"] for part in content if part["type"] == "text"]


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As templates want them: arguments of calls as objects."""
    made = []
    for one in messages:
        calls = [
            call
            | {
                "function": call["function"]
                | {"arguments": json.loads(call["function"]["arguments"])}
            }
            for call in one.get("tool_calls") or ()
        ]
        made.append(
            one | ({"tool_calls": calls} if calls else {}) | {"content": one.get("content") or ""}
        )
    return made
