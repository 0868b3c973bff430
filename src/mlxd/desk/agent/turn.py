"""One turn of a conversation: which model answers, and how much of the history it is given."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec
from openai import AsyncOpenAI
from pydantic_ai import Agent, CancellationToken, ModelHTTPError, UsageLimits
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIChatModelSettings
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.toolsets import AbstractToolset

from mlxd.settings import AgentSettings

from . import history, tools
from .tools import Reach

CONNECT_S = 10.0
# Kept free for the answer, of the context.
ANSWER_PART = 0.25
# About what the tools' descriptions and the instructions take of the context, in tokens.
TOOLS_TOKENS = 700
# A message that is longer than all of the rest is left to the model's own limit.
SMALLEST_HISTORY = 256
PROFILE = OpenAIModelProfile(
    openai_chat_thinking_field="reasoning_content",
    openai_chat_send_back_thinking_parts="field",
    openai_supports_strict_tool_definition=False,
)

Toolsets = Sequence[AbstractToolset[Reach]]


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


# Engines here keep such marks in a text from being read as the template's own; PydanticAI need not
# break them, which it pays for with a look at the whole answer at each of its pieces.
HERE: OpenAIModelProfile = {**PROFILE, "may_tokenize_special_tokens_in_content": False}


class Lacking(Exception):
    """There is no model that could answer; told as it is."""


@dataclass(frozen=True)
class Chosen:
    name: str
    context: int
    tools: bool
    elsewhere: bool


class Turns:
    """What all turns share: the service's clients and the agent."""

    def __init__(self, gateway: str, token: str | None, settings: AgentSettings) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        timeout = httpx2.Timeout(settings.seconds, connect=CONNECT_S)
        self._service = httpx2.AsyncClient(
            base_url=gateway, headers=headers, timeout=timeout, trust_env=False
        )
        self._openai = AsyncOpenAI(
            base_url=f"{gateway}/v1",
            api_key=token or "none",
            http_client=httpx2.AsyncClient(timeout=timeout, trust_env=False),
            # The gateway itself waits for engines, replaces them and goes on.
            max_retries=0,
        )
        self._settings = settings
        self._provider = OpenAIProvider(openai_client=self._openai)
        # What is imported only here takes a second, which the first answer need not wait for.
        self._model("")
        self.agent = Agent(deps_type=Reach, instructions=settings.instructions)

    async def aclose(self) -> None:
        await self._service.aclose()
        await self._openai.close()

    async def events(
        self,
        messages: Sequence[ModelMessage],
        wanted: str,
        sampling: Sampling,
        more: Toolsets,
        token: CancellationToken,
    ) -> AsyncIterator[Any]:
        """PydanticAI's own events. A prompt that is longer than was thought is cut again, as long
        as nothing has been said."""
        chosen = await self._choose(wanted, messages)
        budget = self._budget(chosen, sampling)
        while True:
            fitting = history.newest(messages, budget)
            said = False
            try:
                async for event in self._run(fitting, chosen, sampling, more, token):
                    said = True
                    yield event
            except ModelHTTPError as error:
                shorter = len(history.newest(messages, budget // 2)) < len(fitting)
                if said or not shorter or "context_length" not in str(error.body):
                    raise
                budget //= 2
            else:
                return

    async def _choose(self, wanted: str, messages: Sequence[ModelMessage]) -> Chosen:
        """The model that is named, or the capability that the conversation needs."""
        name = wanted or ("vision" if history.has_images(messages) else "text")
        assigned = (await self._asked("/models/capabilities"))["capabilities"]
        model = assigned[name]["model_id"] if name in assigned else name
        if model is None:
            raise Lacking(
                f"No model is assigned to {name}. Assign one on the Models page, or with: "
                f"mlxd models assign {name} NAME"
            )
        card = await self._asked(f"/v1/models/{model}")
        context = card["context_length"] or self._settings.context
        elsewhere = "remote" in card["detail"]
        return Chosen(name, context, "tool_use" in card["capabilities"], elsewhere)

    def _model(self, name: str, elsewhere: bool = False) -> OpenAIChatModel:
        profile = PROFILE if elsewhere else HERE
        return OpenAIChatModel(name, provider=self._provider, profile=profile)

    async def _asked(self, path: str) -> Any:
        response = await self._service.get(path)
        if not response.is_success:
            raise Lacking(tools.told(response))
        return response.json()

    def _budget(self, chosen: Chosen, sampling: Sampling) -> int:
        answer = int(chosen.context * ANSWER_PART)
        if sampling.max_tokens is not None:
            answer = min(answer, sampling.max_tokens)
        free = chosen.context - answer - (TOOLS_TOKENS if chosen.tools else 0)
        return max(SMALLEST_HISTORY, free)

    async def _run(
        self,
        messages: list[ModelMessage],
        chosen: Chosen,
        sampling: Sampling,
        more: Toolsets,
        token: CancellationToken,
    ) -> AsyncIterator[Any]:
        settings = self._settings
        given = {k: v for k, v in msgspec.structs.asdict(sampling).items() if v is not None}
        async with self.agent.run_stream_events(
            message_history=messages,
            model=self._model(chosen.name, chosen.elsewhere),
            deps=Reach(self._service, settings.tool_characters),
            model_settings=OpenAIChatModelSettings(**given),  # type: ignore[typeddict-item]
            usage_limits=UsageLimits(
                request_limit=settings.steps, total_tokens_limit=settings.tokens
            ),
            toolsets=[tools.toolset, *more] if chosen.tools else [],
            timeout=settings.seconds,
            cancellation_token=token,
        ) as events:
            async for event in events:
                yield event
