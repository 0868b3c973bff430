"""Models, asked for through the gateway like by any client, at the priority of background work."""

import asyncio
import base64
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import msgspec
import numpy as np
import numpy.typing as npt

log = logging.getLogger(__name__)

Vector = npt.NDArray[np.float32]

# A page on a slow machine; the gateway notices much sooner when an engine stalls.
TIMEOUT_S = 900.0
CONNECT_S = 10.0
# Engine replaced, queue full: worth another try. What is refused otherwise would be refused again.
TRANSIENT = {429, 502, 503}
TRIES = 4
# What the gateway answers when an engine failed at a request, or several died with it.
DIED_CODE = "engine_error"
LONGEST_WAIT_S = 30.0


class Said(msgspec.Struct, frozen=True):
    """`cut`: it was not at its end."""

    text: str
    cut: bool = False


class Embedded(msgspec.Struct, frozen=True):
    """`model`: vectors of different models can't be compared."""

    model: str
    vectors: list[Vector]


class Lacking(Exception):
    """No model is assigned to the capability; somebody may do so later."""

    def __init__(self, capability: str, message: str) -> None:
        super().__init__(message)
        self.capability = capability


class Failed(Exception):
    """The model refused or could not answer, and asking again would not change it."""


class Unavailable(Exception):
    """The service or its engine can't answer just now."""


class Died(Unavailable):
    """Engines died while they worked on it. Perhaps it is what kills them, perhaps not."""


class Models:
    def __init__(self, gateway: str, token: str | None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.AsyncClient(
            base_url=gateway,
            headers=headers,
            timeout=httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=32),
            # Our own gateway: a proxy from the environment has no part in it.
            trust_env=False,
        )

    async def __aenter__(self) -> "Models":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def assigned(self) -> dict[str, str | None]:
        """Which model serves each capability."""
        response = await self._client.get("/models/capabilities", timeout=CONNECT_S)
        response.raise_for_status()
        found = response.json()["capabilities"]
        return {capability: one["model_id"] for capability, one in found.items()}

    async def chat(
        self,
        capability: str,
        prompt: str,
        *,
        image: bytes | None = None,
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
    ) -> Said:
        """One answer, the same each time as far as the model's device allows."""
        content: Any = prompt
        if image is not None:
            url = "data:image/png;base64," + base64.b64encode(image).decode()
            content = [
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "text", "text": prompt},
            ]
        body: dict[str, Any] = {
            "model": capability,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": max_tokens,
            "service_tier": "flex",
            "reasoning_effort": "none",
        }
        if schema is not None:
            named = {"name": "answer", "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        made = await self._ask(capability, "/v1/chat/completions", body)
        choice = made["choices"][0]
        return Said(choice["message"]["content"] or "", choice["finish_reason"] == "length")

    async def embed(self, texts: Sequence[str], *, interactive: bool = False) -> Embedded:
        body: dict[str, Any] = {
            "model": "embedding",
            "input": list(texts),
            "encoding_format": "base64",
        }
        if not interactive:
            body["service_tier"] = "flex"
        made = await self._ask("embedding", "/v1/embeddings", body)
        return Embedded(made["model"], [_vector(one["embedding"]) for one in made["data"]])

    async def _ask(self, capability: str, path: str, body: Mapping[str, Any]) -> Any:
        for attempt in range(1, TRIES + 1):
            told, wait = "", min(2.0**attempt, LONGEST_WAIT_S)
            try:
                response = await self._client.post(path, json=body)
            except httpx2.TransportError as error:
                told = f"{type(error).__name__}: {error}"
            else:
                if response.is_success:
                    return _read(capability, response)
                told = _message(response)
                if _code(response) == DIED_CODE:
                    raise Died(told)
                if response.status_code == 404:
                    raise Lacking(capability, told)
                if response.status_code not in TRANSIENT:
                    raise Failed(told)
                wait = min(float(response.headers.get("retry-after", wait)), LONGEST_WAIT_S)
            if attempt < TRIES:
                log.info("asking %s again in %.0f s: %s", capability, wait, told)
                await asyncio.sleep(wait)
        raise Unavailable(f"{capability} did not answer after {TRIES} tries: {told}")


def _read(capability: str, response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise Failed(f"What {capability} answered is no JSON: {response.text[:80]!r}") from None


def _vector(made: str | list[float]) -> Vector:
    """Servers elsewhere that know of no base64 give numbers."""
    if isinstance(made, str):
        return np.frombuffer(base64.b64decode(made), "<f4")
    return np.array(made, np.float32)


def _code(response: httpx2.Response) -> str | None:
    try:
        return str(response.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return None


def _message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"
