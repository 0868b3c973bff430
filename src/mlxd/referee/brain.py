"""A tiny scripted model that really reads its messages and pictures: whatever it says stands
there, or follows from it. It answers what the checks of `mlxd smoke` ask, and nothing else."""

import base64
import io
import json
import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxd.smoke import nonce, pictures

if TYPE_CHECKING:
    from PIL import Image

_ECHO = re.compile(r"(?:nothing else: |Reply only |只输出 |请只回复：)(.+)$", re.DOTALL)
_GET = re.compile(r"(?:[Gg]et|is) the ([a-z ]+?) of (?:the |door |order )([\w-]+)")
_TOLD = re.compile(r"(?:which|,) (\w+) is ")
_ANY: dict[str, Any] = {"string": "any", "integer": 7, "boolean": True, "array": ["any"]}
# Enough to be left in the middle.
MOST_COUNTED = 600
# Of a nucleus that holds no more than the likeliest token.
NARROW = 0.01
_PIECE = re.compile(r"\s*\S{1,4}|\s+")


@dataclass
class Said:
    content: str | None = ""
    reasoning: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


def pieces(text: str) -> list[str]:
    return _PIECE.findall(text)


def think(body: dict[str, Any]) -> Said:
    messages = body["messages"]
    last = messages[-1]
    text = _text(last)
    said = Said(prompt_tokens=sum(len(pieces(_text(one))) + 3 for one in messages))
    if last["role"] == "tool":
        said.content = ", ".join(_value(_text(one)) for one in _results(messages))
    elif calls := _calls(body, text):
        said.calls, said.content, said.finish = calls, None, "tool_calls"
    elif picture := _picture(last):
        said.content = _see(picture, text)
    elif body.get("response_format", {}).get("type", "text") != "text":
        read = json.JSONDecoder().raw_decode
        told = {found[1]: read(text, found.end())[0] for found in _TOLD.finditer(text)}
        said.content = json.dumps(told, ensure_ascii=False)
    else:
        said.content = _answer(text, body, "\n".join(_text(one) for one in messages))
    if "Think it through" in text or body.get("think"):
        thought = "The user wants me to think first. So I do, step by step, and then answer."
        # Chance is in its thoughts too.
        chance = said.content or "" if "random words" in text else ""
        said.reasoning = " ".join([chance, *[thought] * (body.get("think") or 1)]).strip()
    _cut(said, body)
    return said


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def _results(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the last calls, in the order of the calls."""
    said = [number for number, one in enumerate(messages) if one["role"] != "tool"]
    found = messages[said[-1] + 1 if said else 0 :]
    calling = messages[: -len(found)][-1:]
    order = [call["id"] for one in calling for call in one.get("tool_calls") or ()]
    return sorted(found, key=lambda one: order.index(one["tool_call_id"]) if order else 0)


def _value(text: str) -> str:
    try:
        return str(next(iter(json.loads(text).values())))
    except ValueError:
        return text


def _calls(body: dict[str, Any], text: str) -> list[tuple[str, str]]:
    choice = body.get("tool_choice", "auto")
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools") or ()}
    if not tools or choice == "none":
        return []
    if isinstance(choice, dict):
        return [_any_call(tools[choice["function"]["name"]])]
    found = []
    for what, which in _GET.findall(text):
        if tool := tools.get("get_" + what.replace(" ", "_")):
            key = tool["parameters"]["required"][0]
            found.append((tool["name"], json.dumps({key: which})))
    if not found and choice == "required":
        return [_any_call(next(iter(tools.values())))]
    return found[:1] if body.get("parallel_tool_calls") is False else found


def _any_call(tool: dict[str, Any]) -> tuple[str, str]:
    shape = tool["parameters"]
    made = {name: _ANY[shape["properties"][name]["type"]] for name in shape.get("required", ())}
    return tool["name"], json.dumps(made)


def _answer(text: str, body: dict[str, Any], all_of_it: str) -> str:
    if echo := _ECHO.search(text):
        return echo.group(1)
    if count := re.search(r"Count from 1 to (\d+)", text):
        last = min(int(count.group(1)), MOST_COUNTED)
        return ", ".join(str(number) for number in range(1, last + 1))
    if asked := re.search(r"What is the code of the (\w+)\?", text):
        known = re.search(rf"The code of the {asked.group(1)} is ([\w-]+)\.", all_of_it)
        return known.group(1) if known else "I don't know."
    if "random words" in text:
        hot = body.get("temperature") and (body.get("top_p") or 1) > NARROW
        source = random.Random(body.get("seed") if hot else 0)
        return " ".join(source.choice(nonce.ITEMS) for _ in range(12))
    return "I don't know."


def _cut(said: Said, body: dict[str, Any]) -> None:
    """Stop sequences first, then the limit, over reasoning and text together."""
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        if said.content and stop in said.content:
            said.content = said.content[: said.content.index(stop)]
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 10_000
    thought = pieces(said.reasoning)
    spoken = pieces(said.content or "")
    called = [piece for name, text in said.calls for piece in (name, *pieces(text))]
    said.completion_tokens = len(thought) + len(spoken) + len(called)
    if said.completion_tokens <= limit:
        return
    said.completion_tokens = limit
    said.finish, said.calls = "length", []
    said.reasoning = "".join(thought[:limit])
    said.content = "".join(spoken[: max(0, limit - len(thought))])


def _picture(message: dict[str, Any]) -> "Image.Image | None":
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if part["type"] == "image_url":
            from PIL import Image

            data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
            return Image.open(io.BytesIO(data))
    return None


def _see(picture: "Image.Image", text: str) -> str:
    if "colour" in text:
        inked = [colour for _, colour in picture.getcolors(1 << 16) or () if colour != (255,) * 3]
        return next(name for name, rgb in pictures.COLOURS.items() if rgb in inked)
    return str(picture.info.get("print", "I can't read this."))
