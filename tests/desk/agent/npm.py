"""The npm client in a process of its own, as an application uses it."""

import json
import select
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[3] / "web"
NODE = shutil.which("node")


class Client:
    def __init__(self, url: str, id: str = "talk") -> None:
        if NODE is None or not (WEB / "node_modules/ai").is_dir():
            pytest.skip("node or the npm client is not installed: make web")
        self.id = id
        self._process = subprocess.Popen(
            [NODE, str(WEB / "tests/talk.mjs"), url, id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, **turn: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(turn) + "\n")
        self._process.stdin.flush()

    def held(self) -> dict[str, Any]:
        """After the turn that was begun."""
        assert self._process.stdout is not None
        made: dict[str, Any] = json.loads(self._process.stdout.readline())
        return made

    def over(self) -> bool:
        """Whether the turn that was begun has ended."""
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def say(self, text: str, **more: Any) -> dict[str, Any]:
        self.begin(text=text, **more)
        return self.held()

    def vanish(self) -> None:
        """As a window that is closed in mid-answer."""
        self._process.kill()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what only matters while an answer comes, and the place for one that never came."""
    made = []
    for message in messages:
        parts = [_plain(part) for part in message["parts"]]
        while parts and parts[-1]["type"] == "step-start":
            parts.pop()
        told = message.get("metadata")
        if message["role"] == "assistant" and not parts and not told:
            continue
        here = {"id": message["id"], "role": message["role"], "parts": parts}
        made.append({**here, "metadata": told} if told else here)
    return made


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in part.items()
        if value is not None
        and not (key == "state" and part["type"] in ("text", "reasoning"))
        and key not in ("providerMetadata", "callProviderMetadata", "resultProviderMetadata")
    }


def said(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def parsed(*bodies: str) -> Any:
    """What the client makes of recorded streams: one of one, otherwise a list."""
    if NODE is None or not (WEB / "node_modules/ai").is_dir():
        pytest.skip("node or the npm client is not installed: make web")
    done = subprocess.run(
        [NODE, str(WEB / "tests/parse.mjs")],
        input="".join(json.dumps({"body": body}) + "\n" for body in bodies),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    made = [json.loads(line) for line in done.stdout.splitlines()]
    return made[0] if len(bodies) == 1 else made
