"""Bare completions: every prompt times n is a choice of its own."""

import secrets
import time

import msgspec

from mlxd import wire
from mlxd.gateway.errors import bad

from . import common, schema

UNSET = msgspec.UNSET


def prompts(
    value: str | list[str | int | list[int]], param: str, most: int = schema.MAX_PROMPTS
) -> list[wire.Text | wire.Tokens]:
    """One or many, as text or as token ids."""
    if isinstance(value, str):
        return [wire.Text(value)]
    if not value:
        raise bad(f"{param} is empty.", param)
    kinds = {type(one) for one in value}
    if len(kinds) > 1:
        raise bad(f"{param}: strings, token ids and lists of them may not be mixed.", param)
    if kinds == {int}:
        return [wire.Tokens(value)]  # type: ignore[arg-type]
    if len(value) > most:
        raise bad(f"{param} has {len(value)} entries; at most {most} go at once.", param)
    for i, one in enumerate(value):
        if one == []:
            raise bad(f"{param}[{i}] is empty.", f"{param}[{i}]")
    return [wire.Text(one) if isinstance(one, str) else wire.Tokens(one) for one in value]  # type: ignore[arg-type]


def check(request: schema.CompletionRequest) -> None:
    if request.echo:
        raise bad(
            "echo is not supported; prepend the prompt yourself.", "echo", "unsupported_parameter"
        )
    if request.suffix:
        raise bad("suffix is not supported.", "suffix", "unsupported_parameter")
    if request.best_of is not None and request.best_of != (request.n or 1):
        told = "best_of is only supported when it equals n."
        raise bad(told, "best_of", "unsupported_parameter")
    common.check_stream(request)


def submits(request: schema.CompletionRequest) -> list[wire.Submit]:
    check(request)
    given = prompts(request.prompt, "prompt")
    count = request.n or 1
    if len(given) * count > schema.MAX_PROMPTS:
        told = f"{len(given)} prompts times n = {count} is over {schema.MAX_PROMPTS} choices."
        raise bad(told, "n" if len(given) == 1 else "prompt")
    return [
        wire.Submit(
            id=0,
            input=prompt,
            sampling=common.sampling(request, seed),
            max_tokens=request.max_tokens,
            stop=common.stops(request),
            logprobs=request.logprobs,
            format=common.format_of(request),
            priority=common.priority(request.service_tier),
        )
        for prompt in given
        for seed in common.seeds(request.seed, count)
    ]


class Answer:
    """One text completion in the making, of as many choices as there are prompts times n."""

    def __init__(self, request: schema.CompletionRequest, model: str, choices: int) -> None:
        self.id = "cmpl-" + secrets.token_hex(12)
        self._created = int(time.time())
        self._model = model
        options = request.stream_options
        self._include_usage = bool(request.stream and options and options.include_usage)
        self._choices_a_prompt = request.n or 1
        self._usage: list[wire.Usage | None] = [None] * choices
        self._offset = [0] * choices
        self._folded = [schema.CompletionChoice(i, "") for i in range(choices)]

    def chunks(self, index: int, event: wire.Event) -> list[schema.Completion]:
        if event.finish:
            self._usage[index] = event.usage
        # A bare prompt has no reasoning to separate; should an engine do it, it is text here.
        text = event.reasoning + event.text
        if not (text or event.logprobs or event.finish):
            return []
        choice = schema.CompletionChoice(
            index,
            text,
            self._logprobs(index, event),
            event.finish,
            common.finish_details(event),
        )
        return [self._completion([choice], None if self._include_usage else UNSET)]

    def _completion(
        self,
        choices: list[schema.CompletionChoice],
        usage: schema.Usage | msgspec.UnsetType | None,
    ) -> schema.Completion:
        return schema.Completion(self.id, self._created, self._model, choices, usage=usage)

    def _logprobs(self, index: int, event: wire.Event) -> schema.CompletionLogprobs | None:
        if not event.logprobs:
            return None
        made = schema.CompletionLogprobs([], [], [], [])
        for one in event.logprobs:
            made.tokens.append(one.token)
            made.token_logprobs.append(one.logprob)
            made.top_logprobs.append({top.token: top.logprob for top in one.top})
            made.text_offset.append(self._offset[index])
            self._offset[index] += len(one.token)
        return made

    def _total(self) -> schema.Usage:
        return common.add_usage(self._usage, self._choices_a_prompt)

    def closing(self) -> list[schema.Completion]:
        usage = self._total()
        return [self._completion([], usage)] if self._include_usage else []

    def fold(self, chunk: schema.Completion) -> None:
        for choice in chunk.choices:
            whole = self._folded[choice.index]
            whole.text += choice.text
            whole.finish_reason = choice.finish_reason
            whole.finish_details = choice.finish_details
            if choice.logprobs is not None:
                if whole.logprobs is None:
                    whole.logprobs = schema.CompletionLogprobs([], [], [], [])
                whole.logprobs.tokens += choice.logprobs.tokens
                whole.logprobs.token_logprobs += choice.logprobs.token_logprobs
                whole.logprobs.top_logprobs += choice.logprobs.top_logprobs
                whole.logprobs.text_offset += choice.logprobs.text_offset

    def whole(self) -> schema.Completion:
        if any(choice.finish_reason is None for choice in self._folded):
            raise common.unfinished()
        return self._completion(self._folded, self._total())
