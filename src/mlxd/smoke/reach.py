"""Before the checks: where a server's API is, whether it lets us in, and which model to ask."""

import re
from typing import Any

from .answer import loads
from .faults import Fault
from .server import Reply, Server

# What cannot hold a conversation, where the list does not say what a model can.
_NOT_TEXT = re.compile(r"embed|rerank|whisper|tts|bge-|\bclip\b", re.IGNORECASE)


class Refused(Exception):
    """The server does not let us in, and the message says what it wants."""


async def listed(server: Server) -> tuple[Any, Reply | None]:
    """The models that it lists, and its answer. A list that can't be read is the checks' matter."""
    try:
        reply = await server.send("GET", "/v1/models")
        if reply.status == 404:
            reply = await _without_version(server, reply)
    except Fault:
        return [], None
    if reply.status in (401, 403):
        raise Refused(
            f"the server asks for a key (HTTP {reply.status}): give it with --api-key or in "
            "OPENAI_API_KEY"
        )
    return _data(reply) or [], reply


async def _without_version(server: Server, first: Reply) -> Reply:
    """Some servers have the API under a root of their own, without /v1."""
    server.version = ""
    reply = await server.send("GET", "/v1/models")
    if reply.status == 200 and _data(reply) is not None:
        return reply
    server.version = "/v1"
    return first


def _data(reply: Reply) -> Any:
    try:
        return loads(reply.body)["data"]
    except (ValueError, KeyError, TypeError):
        return None


def entries(data: Any) -> list[dict[str, Any]]:
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []


def pick(data: Any, wanted: str) -> dict[str, Any]:
    found = entries(data)
    if wanted:
        names = ((one, (one.get("id"), one.get("path"), *_aliases(one))) for one in found)
        return next((one for one, known in names if wanted in known), {})
    for one in found:
        told = one.get("capabilities")
        if isinstance(told, list) and told:
            if "text" in told:
                return one
        elif not _NOT_TEXT.search(str(one.get("id"))):
            return one
    return found[0] if found else {}


def _aliases(one: dict[str, Any]) -> list[Any]:
    told = one.get("aliases")
    return told if isinstance(told, list) else []
