"""What chat and bare completions share: parameters down, and the ends of answers up."""

import hashlib
import secrets
from collections.abc import Sequence

import msgspec

from mlxd import wire
from mlxd.gateway.errors import ApiError, bad

from . import schema

_MASK64 = 2**64 - 1

WHY = {
    "end_of_sequence_first": "The model ended its answer with its first token.",
    "budget_in_reasoning": "max_tokens was used up inside the reasoning, before the answer began;"
    " raise it or ask for less reasoning.",
    "budget_in_call": "max_tokens was used up at the beginning of a tool call, before its name was"
    " complete; raise it.",
    "stop_sequence_first": "The answer began with a stop sequence, which is not part of it.",
    "grammar": "The required format allowed the model nothing more to say.",
    "context": "The answer reached the end of the model's context.",
}


def sampling(request: schema.Generation, seed: int) -> wire.Sampling:
    top_k = request.top_k
    if top_k == -1:  # what other servers call "off"
        top_k = 0
    given = {
        "repetition_penalty": request.repetition_penalty,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "logit_bias": {int(key): value for key, value in (request.logit_bias or {}).items()},
    }
    return wire.Sampling(
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=top_k,
        min_p=request.min_p,
        seed=seed,
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
    )


def seeds(given: int | None, count: int) -> list[int]:
    """A seed for each choice: the first is the client's own, so that any n begins alike."""
    first = secrets.randbits(63) if given is None else given & _MASK64
    return [first, *(_derived(first, i) for i in range(1, count))]


def _derived(seed: int, index: int) -> int:
    digest = hashlib.blake2b(b"%d/%d" % (seed, index), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def stops(request: schema.Generation) -> list[str]:
    stop = request.stop
    if stop is None:
        return []
    return [stop] if isinstance(stop, str) else stop


def priority(tier: str | None) -> wire.Priority:
    return wire.Priority.BATCH if tier == "flex" else wire.Priority.INTERACTIVE


def format_of(request: schema.Generation) -> wire.Format | None:
    match request.response_format:
        case schema.JsonObjectFormat():
            return wire.Format("json_object")
        case schema.JsonSchemaFormat(json_schema):
            if json_schema.schema is None:
                return wire.Format("json_object")
            return wire.Format("json_schema", msgspec.json.encode(json_schema.schema).decode())
        case schema.RegexFormat(regex):
            return wire.Format("regex", regex)
        case schema.GrammarFormat(grammar):
            return wire.Format("grammar", grammar)
        case _:
            return None


def check_stream(request: schema.Generation) -> None:
    if request.stream_options is not None and not request.stream:
        raise bad("stream_options is only allowed with stream: true.", "stream_options")
    if request.stream_options is not None and request.stream_options.include_obfuscation:
        param = "stream_options.include_obfuscation"
        told = f"{param} is not supported: chunks are as long as what they say."
        raise bad(told, param, "unsupported_parameter")


def finish_details(event: wire.Event) -> schema.FinishDetails | msgspec.UnsetType:
    if not event.why:
        return msgspec.UNSET
    return schema.FinishDetails(event.why, WHY.get(event.why, event.why))


def add_usage(parts: Sequence[wire.Usage | None], choices_a_prompt: int) -> schema.Usage:
    """The sum over all choices; a prompt that several choices answer is counted once."""
    if any(part is None for part in parts):
        raise unfinished()
    known = [part for part in parts if part is not None]
    groups = [known[i : i + choices_a_prompt] for i in range(0, len(known), choices_a_prompt)]
    prompt = sum(group[0].prompt for group in groups)
    completion = sum(part.completion for part in known)
    return schema.Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=schema.PromptDetails(
            # The other choices find the prompt in the cache because the first one brought it.
            cached_tokens=sum(min(part.cached for part in group) for group in groups)
        ),
        completion_tokens_details=schema.CompletionDetails(
            reasoning_tokens=sum(part.reasoning for part in known)
        ),
    )


def unfinished() -> ApiError:
    return ApiError(
        500, "The engine's answer ended without a reason to finish.", code="engine_error"
    )
