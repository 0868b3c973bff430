"""The message that a client builds from a stream, built here too, so that it can be kept: whole,
or as far as it came before a stop or a fault."""

from typing import Any

Part = dict[str, Any]


def _cut_off(part: Part) -> Part:
    told = "The answer ended before the tool did."
    return {**part, "input": part.get("input", {}), "state": "output-error", "errorText": told}


def whole(messages: Any) -> Any:
    """What a client holds of an answer that it stopped while a tool's arguments came has none of
    them, and could not be read. Whatever else it sends is judged by others."""
    if not isinstance(messages, list):
        return messages
    return [_whole(one) if isinstance(one, dict) else one for one in messages]


def _whole(message: dict[str, Any]) -> dict[str, Any]:
    parts = message.get("parts")
    if not isinstance(parts, list):
        return message
    made = [
        _cut_off(part)
        if isinstance(part, dict) and part.get("state") == "input-streaming"
        else part
        for part in parts
    ]
    return {**message, "parts": made}


class Answer:
    def __init__(self, id: str) -> None:
        self.id = id
        self.parts: list[Part] = []
        self.metadata: dict[str, Any] = {}
        self._texts: dict[str, Part] = {}
        self._tools: dict[str, Part] = {}

    def message(self) -> dict[str, Any]:
        for part in self._texts.values():
            part["state"] = "done"
        for part in self._tools.values():
            if part["state"] in ("input-streaming", "input-available"):
                # The client would wait for its result for ever.
                part.update(_cut_off(part))
        while self.parts and self.parts[-1]["type"] == "step-start":
            # Nothing came in it, and the client drops it too.
            self.parts.pop()
        made = {"id": self.id, "role": "assistant", "parts": self.parts}
        return {**made, "metadata": self.metadata} if self.metadata else made

    def take(self, chunk: Part) -> None:
        kind = chunk["type"]
        if kind.startswith(("text-", "reasoning-")):
            of, what = kind.split("-", 1)
            self._text(of, what, chunk)
        elif kind.startswith("tool-"):
            self._tool(kind, chunk)
        elif kind == "start-step":
            self.parts.append({"type": "step-start"})
        elif kind in ("file", "source-url", "source-document"):
            self.parts.append(chunk)
        elif kind.startswith("data-") and not chunk.get("transient"):
            self._data(chunk)
        elif kind == "message-metadata":
            self.metadata.update(chunk["messageMetadata"])

    def _data(self, chunk: Part) -> None:
        """One with an id takes the place of the one before it."""
        for part in self.parts if "id" in chunk else ():
            if (part["type"], part.get("id")) == (chunk["type"], chunk["id"]):
                part["data"] = chunk["data"]
                return
        self.parts.append(chunk)

    def _text(self, kind: str, what: str, chunk: Part) -> None:
        if what == "start":
            part = {"type": kind, "text": "", "state": "streaming"}
            if kind == "reasoning":
                part["id"] = chunk["id"]
            self._texts[chunk["id"]] = part
            self.parts.append(part)
        elif what == "delta":
            self._texts[chunk["id"]]["text"] += chunk["delta"]
        else:
            self._texts.pop(chunk["id"])["state"] = "done"

    def _tool(self, kind: str, chunk: Part) -> None:
        id = chunk["toolCallId"]
        part = self._tools.get(id)
        if part is None:
            name = chunk.get("toolName", "")
            part = {"type": f"tool-{name}", "toolCallId": id, "state": "input-streaming"}
            self._tools[id] = part
            self.parts.append(part)
        if kind == "tool-input-available":
            part.update(state="input-available", input=chunk["input"])
        elif kind == "tool-input-error":
            part.update(
                state="output-error", input=chunk.get("input"), errorText=chunk["errorText"]
            )
        elif kind == "tool-output-available":
            part.update(state="output-available", output=chunk["output"])
        elif kind == "tool-output-error":
            part.update(state="output-error", errorText=chunk["errorText"])
