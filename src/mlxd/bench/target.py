"""One server under measurement: asks it in one dialect, with prompts of a known length."""

import asyncio
from typing import Any

import msgspec

from .answer import Answer, read_stream
from .http import Client, Watch
from .prompts import Lengths, words

# Two short prompts give the slope; short, because some servers take minutes for a long one.
_FEW_WORDS, _MANY_WORDS = 4, 20


class Unusable(Exception):
    """The server can't be measured, and the message says why."""


class Target:
    def __init__(self, name: str, client: Client, model: str, *, series: str = "") -> None:
        """`series` seeds the prompts: servers compared in one series get the same ones."""
        self.name = name
        self.client = client
        self.model = model
        self.series = series
        self._lengths: Lengths | None = None
        self._learnt_from = _MANY_WORDS

    @classmethod
    async def at(
        cls,
        name: str,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        series: str = "",
    ) -> "Target":
        client = Client(url, api_key=api_key)
        return cls(name, client, model or await first_model(client, url), series=series)

    async def ask(
        self,
        messages: list[dict[str, str]],
        max_tokens: int,
        watch: Watch | None = None,
    ) -> Answer:
        body = {
            "model": self.model,
            "messages": messages,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        data = msgspec.json.encode(body)
        reply = await self.client.post("/v1/chat/completions", data, watch)
        answer = read_stream(reply, max_tokens)
        if len(messages) == 1 and answer.prompt_tokens:
            self._learn(messages[0]["content"].count(" ") + 1, answer.prompt_tokens)
        return answer

    def knows(self, tokens: int) -> bool:
        """Whether a prompt of that many tokens is in reach of what it has learnt from."""
        return self._lengths is not None and self._learnt_from * 20 > tokens

    def _learn(self, count: int, tokens: int) -> None:
        if self._lengths and count > self._learnt_from:
            self._lengths = self._lengths.learn(count, tokens)
            self._learnt_from = count

    async def prompt(self, tokens: int, label: str) -> list[dict[str, str]]:
        """A fresh prompt of about `tokens` tokens, chat template included."""
        lengths = self._lengths or await self.calibrate()
        return one_message(words(lengths.words_for(tokens), f"{self.series}/{label}"))

    async def calibrate(self) -> Lengths:
        """Learn from the server's own usage how words become tokens. Warms the server, too."""
        seen = []
        for count in (_FEW_WORDS, _MANY_WORDS):
            answer = await self.ask(one_message(words(count, f"{self.series}/length {count}")), 1)
            if answer.prompt_tokens is None:
                why = answer.fault or "it reports no usage.prompt_tokens"
                raise Unusable(f"{self.name}: can't build prompts of a known length: {why}")
            seen.append((count, answer.prompt_tokens))
        self._lengths = Lengths.through(*seen)
        return self._lengths

    async def several(
        self, count: int, prompt_tokens: int, max_tokens: int, label: str
    ) -> list[Answer]:
        prompts = [await self.prompt(prompt_tokens, f"{label}, {i}") for i in range(count)]
        return await asyncio.gather(*(self.ask(prompt, max_tokens) for prompt in prompts))


def one_message(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def first_model(client: Client, url: str) -> str:
    reply = await client.get("/v1/models")
    if reply.status != 200 or reply.fault:
        why = reply.fault or f"HTTP {reply.status}"
        raise Unusable(
            f"{url} doesn't list its models ({why}). Is the server running, and is this its "
            "address? Another one: --url NAME=URL."
        )
    try:
        listed: dict[str, Any] = msgspec.json.decode(reply.body)
        return str(listed["data"][0]["id"])
    except (msgspec.DecodeError, KeyError, IndexError, TypeError):
        raise Unusable(f"{url}/v1/models names no model: say which with --model") from None
