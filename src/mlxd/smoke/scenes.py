"""Tools with a request that needs them and a result that nobody can guess."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .nonce import ITEMS, Nonces


@dataclass(frozen=True)
class Scene:
    """`value` stands only in `result`, which is what the tool answers."""

    name: str
    tool: dict[str, Any]
    arguments: dict[str, Any]
    request: str
    result: str
    value: str

    def call(self, id_: str) -> dict[str, Any]:
        arguments = json.dumps(self.arguments)
        return {
            "id": id_,
            "type": "function",
            "function": {"name": self.name, "arguments": arguments},
        }


def tool(name: str, description: str, properties: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {
                    key: {"type": "string", "description": text} for key, text in properties.items()
                },
                "required": list(properties),
                "additionalProperties": False,
            },
        },
    }


ONLY = "Use the tool, and reply with only the value."


def _access_code(nonces: Nonces) -> Scene:
    door, value = nonces.code(), nonces.code()
    return Scene(
        "get_access_code",
        tool("get_access_code", "Get the access code of a door.", {"door": "Name of the door"}),
        {"door": door},
        f"What is the access code of door {door}? {ONLY}",
        json.dumps({"access_code": value}),
        value,
    )


def _tracking(nonces: Nonces) -> Scene:
    order, value = nonces.code(), nonces.code()
    return Scene(
        "get_tracking_number",
        tool(
            "get_tracking_number",
            "Get the tracking number of an order.",
            {"order_id": "Id of the order"},
        ),
        {"order_id": order},
        f"What is the tracking number of order {order}? {ONLY}",
        json.dumps({"tracking_number": value}),
        value,
    )


def _serial(nonces: Nonces) -> Scene:
    item, value = nonces.choice(ITEMS), nonces.code()
    return Scene(
        "get_serial_number",
        tool("get_serial_number", "Get the serial number of an item.", {"item": "The item"}),
        {"item": item},
        f"What is the serial number of the {item}? {ONLY}",
        json.dumps({"serial_number": value}),
        value,
    )


# The number of that scene.
TRACKING = 2
MADE: tuple[Callable[[Nonces], Scene], ...] = (_access_code, _tracking, _serial)


def scene(nonces: Nonces, number: int) -> Scene:
    """The kinds take turns."""
    return MADE[(number - 1) % len(MADE)](nonces)
