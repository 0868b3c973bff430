"""Chat completions: the request into frames, the events into chunks, the chunks into a whole."""

import secrets
import time
from collections.abc import Mapping

import msgspec

from mlxd import wire
from mlxd.gateway.errors import bad

from . import common, schema
from .messages import wire_messages
from .tools import tool_choice, wire_tools

UNSET = msgspec.UNSET

_REFUSED = {
    "audio": "audio output is not available here",
    "prediction": "predicted outputs are not available here",
    "web_search_options": "web search is not available here",
    "functions": "use tools instead",
    "function_call": "use tool_choice instead",
    "chat_template": "a chat template is never taken from a request; the model's own is used",
}
# Both spellings are in use.
_RETENTIONS = ("in_memory", "in-memory")
# What the renderer itself passes to the template, or what would replace the template.
_RESERVED_KWARGS = {"chat_template", "messages", "tools", "tokenize", "conversation"}


def check(request: schema.ChatRequest) -> None:
    """What the types alone cannot say."""
    for name, reason in _REFUSED.items():
        if getattr(request, name) is not None:
            raise bad(f"{name} is not supported: {reason}.", name, "unsupported_parameter")
    if request.store:
        told = "store is not supported: nothing that you ask or get is kept here."
        raise bad(told, "store", "unsupported_parameter")
    if request.metadata:
        told = "metadata is not supported: it belongs to answers that are stored, and none are."
        raise bad(told, "metadata", "unsupported_parameter")
    if request.prompt_cache_retention not in (None, *_RETENTIONS):
        told = (
            "prompt_cache_retention is not supported: computed prompts are kept in memory, and "
            "make room when others come."
        )
        raise bad(told, "prompt_cache_retention", "unsupported_parameter")
    if "audio" in (request.modalities or ()):
        raise bad("modalities: audio is not available here.", "modalities", "unsupported_parameter")
    if request.verbosity not in (None, "medium"):
        told = "verbosity is not supported: ask for the length that you want in the prompt."
        raise bad(told, "verbosity", "unsupported_parameter")
    if request.top_logprobs and not request.logprobs:
        raise bad("top_logprobs needs logprobs: true.", "top_logprobs")
    for name in request.chat_template_kwargs or ():
        if name in _RESERVED_KWARGS:
            param = f"chat_template_kwargs.{name}"
            raise bad(f"{param} may not be set by a request.", param)
    common.check_stream(request)


def submits(request: schema.ChatRequest, images: Mapping[str, bytes]) -> list[wire.Submit]:
    check(request)
    tools = wire_tools(request)
    limits = [x for x in (request.max_tokens, request.max_completion_tokens) if x is not None]
    chat = wire.Chat(
        messages=wire_messages(request.messages, images),
        tools=tools,
        tool_choice=tool_choice(request, tools),
        parallel_tool_calls=request.parallel_tool_calls is not False,
        template_kwargs=_template_kwargs(request),
    )
    return [
        wire.Submit(
            id=0,
            input=chat,
            sampling=common.sampling(request, seed),
            max_tokens=min(limits, default=None),
            stop=common.stops(request),
            logprobs=(request.top_logprobs or 0) if request.logprobs else None,
            format=common.format_of(request),
            priority=common.priority(request.service_tier),
        )
        for seed in common.seeds(request.seed, request.n or 1)
    ]


def _template_kwargs(request: schema.ChatRequest) -> dict[str, object]:
    made: dict[str, object] = {}
    if request.reasoning_effort is not None:
        made["reasoning_effort"] = request.reasoning_effort
        made["enable_thinking"] = request.reasoning_effort not in ("none", "minimal")
    return made | (request.chat_template_kwargs or {})


class Answer:
    """One chat completion in the making. Streamed or whole, it is made of the same chunks."""

    def __init__(self, request: schema.ChatRequest, model: str, choices: int) -> None:
        self.id = "chatcmpl-" + secrets.token_hex(12)
        self._created = int(time.time())
        self._model = model
        options = request.stream_options
        self._include_usage = bool(request.stream and options and options.include_usage)
        self._begun = [False] * choices
        self._calls: list[dict[int, str]] = [{} for _ in range(choices)]
        self._usage: list[wire.Usage | None] = [None] * choices
        self._folded = [_Folded() for _ in range(choices)]

    def _chunk(self, choices: list[schema.ChunkChoice]) -> schema.Chunk:
        usage = None if self._include_usage else UNSET
        return schema.Chunk(self.id, self._created, self._model, choices, usage=usage)

    def chunks(self, index: int, event: wire.Event) -> list[schema.Chunk]:
        made = []
        if not self._begun[index]:
            self._begun[index] = True
            first = schema.Delta(role="assistant", content="")
            made.append(self._chunk([schema.ChunkChoice(index, first)]))
        if event.text or event.reasoning or event.calls or event.logprobs:
            delta = schema.Delta(
                content=event.text or UNSET,
                reasoning_content=event.reasoning or UNSET,
                tool_calls=[self._call(index, call) for call in event.calls] or UNSET,
            )
            choice = schema.ChunkChoice(index, delta, logprobs=_logprobs(event))
            made.append(self._chunk([choice]))
        if event.finish:
            self._usage[index] = event.usage
            last = schema.ChunkChoice(
                index,
                schema.Delta(),
                finish_reason=event.finish,
                finish_details=common.finish_details(event),
            )
            made.append(self._chunk([last]))
        return made

    def _call(self, index: int, call: wire.CallDelta) -> schema.CallDelta:
        known = self._calls[index]
        if call.index in known:
            return schema.CallDelta(
                call.index, function=schema.FunctionDelta(arguments=call.arguments)
            )
        known[call.index] = "call_" + secrets.token_hex(12)
        function = schema.FunctionDelta(name=call.name or "", arguments=call.arguments)
        return schema.CallDelta(call.index, known[call.index], "function", function)

    def closing(self) -> list[schema.Chunk]:
        """After the last event of a stream."""
        usage = common.add_usage(self._usage, len(self._usage))
        if not self._include_usage:
            return []
        return [schema.Chunk(self.id, self._created, self._model, [], usage=usage)]

    def fold(self, chunk: schema.Chunk) -> None:
        for choice in chunk.choices:
            self._folded[choice.index].add(choice)

    def whole(self) -> schema.ChatCompletion:
        return schema.ChatCompletion(
            id=self.id,
            created=self._created,
            model=self._model,
            choices=[folded.choice(index) for index, folded in enumerate(self._folded)],
            usage=common.add_usage(self._usage, len(self._usage)),
        )


class _Folded:
    """What the chunks of one choice add up to, as any client would add them up."""

    def __init__(self) -> None:
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[int, tuple[str, str, list[str]]] = {}
        self.logprobs: list[schema.TokenLogprob] | None = None
        self.last: schema.ChunkChoice | None = None

    def add(self, choice: schema.ChunkChoice) -> None:
        delta = choice.delta
        if delta.content:
            self.content.append(delta.content)
        if delta.reasoning_content:
            self.reasoning.append(delta.reasoning_content)
        for call in delta.tool_calls or ():
            if call.function is UNSET:
                continue
            if call.index not in self.calls:
                self.calls[call.index] = (call.id or "", call.function.name or "", [])
            self.calls[call.index][2].append(call.function.arguments or "")
        if choice.logprobs is not None:
            self.logprobs = (self.logprobs or []) + choice.logprobs.content
        if choice.finish_reason is not None:
            self.last = choice

    def choice(self, index: int) -> schema.ChatChoice:
        if self.last is None or self.last.finish_reason is None:
            raise common.unfinished()
        calls = [
            schema.AnswerCall(id_, schema.FunctionCall(name, "".join(arguments)))
            for _, (id_, name, arguments) in sorted(self.calls.items())
        ]
        content = "".join(self.content)
        message = schema.AnswerMessage(
            content=content if content or not calls else None,
            reasoning_content="".join(self.reasoning) or UNSET,
            tool_calls=calls or UNSET,
        )
        return schema.ChatChoice(
            index=index,
            message=message,
            logprobs=None if self.logprobs is None else schema.ChoiceLogprobs(self.logprobs),
            finish_reason=self.last.finish_reason,
            finish_details=self.last.finish_details,
        )


def _logprobs(event: wire.Event) -> schema.ChoiceLogprobs | None:
    if not event.logprobs:
        return None
    return schema.ChoiceLogprobs(
        [
            schema.TokenLogprob(
                one.token,
                one.logprob,
                list(one.bytes_),
                [schema.TopLogprob(top.token, top.logprob, list(top.bytes_)) for top in one.top],
            )
            for one in event.logprobs
        ]
    )
