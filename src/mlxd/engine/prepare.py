"""The preparer thread: requests in, jobs that the step thread can run without asking anything.

Whatever can be wrong with a request is found here, before it is queued: what is refused never
reaches MLX.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlxd.wire import Chat, Failed, ImagePart, Sampling, Submit, Text

from .backends import ImageReader
from .job import Job, Refused
from .sampling import RowSampling
from .text import (
    PLAIN,
    GrammarFault,
    Grammars,
    InvalidChat,
    InvalidGrammar,
    Reply,
    Style,
    Template,
    Tokenizer,
)

log = logging.getLogger(__name__)

# More alternatives a token than any client can ask for over HTTP.
MOST_LOGPROBS = 128


@dataclass(frozen=True)
class Bounds:
    """What a request must fit into."""

    context: int
    vocabulary: int
    kv_tokens: int


class Preparer:
    """`ready(job)` and `refused(job, failed)` are called on this thread."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        template: Template,
        style: Style,
        images: ImageReader | None,
        defaults: Sampling,
        bounds: Bounds,
        ready: Callable[[Job], None],
        refused: Callable[[Job, Failed], None],
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._style = style
        self._grammars = Grammars(tokenizer, style)
        self._images = images
        self._defaults = defaults
        self._bounds = bounds
        self._ready = ready
        self._refused = refused
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="preparer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, job: Job) -> None:
        self._queue.put(job)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.cancelled:
                continue
            try:
                self._prepare(job)
            except Refused as error:
                self._refused(job, error.failed(job.id))
            except (InvalidChat, InvalidGrammar, GrammarFault) as error:
                self._refused(job, Failed(job.id, "client", str(error), error.param))
            except Exception as error:  # one odd request must not end this thread
                log.exception("request %d can't be prepared", job.id)
                self._refused(job, Failed(job.id, "engine", str(error) or repr(error)))
            else:
                self._ready(job)

    def _prepare(self, job: Job) -> None:
        submit = job.submit
        text = self._tokenise(job)
        self._check(job)
        job.generated = list(submit.resume)
        job.eos = self._tokenizer.eos_ids
        room = min(self._bounds.context, self._bounds.kv_tokens) - len(job.prompt)
        asked = submit.max_tokens
        job.clamped = asked is None or asked > room
        job.budget = room if asked is None else min(asked, room)
        job.sampling = self._sampling(submit)
        job.matcher = self._grammars.for_request(submit, text)
        self._open_reply(job, text)

    def _tokenise(self, job: Job) -> str:
        """Fill in the prompt; returns it as text, which tells whether it opens reasoning."""
        submit = job.submit
        if isinstance(submit.input, Chat):
            text: str = self._template.render(submit.input)
            pictures = _images(submit.input)
            if not pictures:
                job.prompt = self._tokenizer.encode(text)
            elif self._images is None:
                raise Refused("this model can't see images", param=pictures[0].where)
            else:
                job.prompt, job.vision = self._images.read(text, pictures)
                return text
        elif isinstance(submit.input, Text):
            text = submit.input.text
            job.prompt = self._tokenizer.encode(text, add_special=True)
        else:
            text, job.prompt = "", list(submit.input.ids)
        return text

    def _check(self, job: Job) -> None:
        submit, bounds = job.submit, self._bounds
        param = "messages" if isinstance(submit.input, Chat) else "prompt"
        if not job.prompt:
            raise Refused("the prompt is empty: there is nothing to go on from", param=param)
        for token in job.prompt:
            if not 0 <= token < bounds.vocabulary:
                raise Refused(
                    f"token id {token} is outside of the vocabulary (0 to {bounds.vocabulary - 1})",
                    param=param,
                )
        for token in submit.sampling.logit_bias:
            if not 0 <= token < bounds.vocabulary:
                raise Refused(
                    f"token id {token} is outside of the vocabulary (0 to {bounds.vocabulary - 1})",
                    param="logit_bias",
                )
        if len(job.prompt) >= bounds.context:
            raise Refused(
                f"the prompt has {len(job.prompt)} tokens and this model's context holds "
                f"{bounds.context}, answer included; shorten it",
                param=param,
                code="context_length_exceeded",
            )
        self._check_memory(job, param)

    def _check_memory(self, job: Job, param: str) -> None:
        asked = job.submit.max_tokens or 1
        needed = min(len(job.prompt) + asked, self._bounds.context)
        if needed > self._bounds.kv_tokens:
            raise Refused(
                f"prompt and answer may take {needed} tokens, but the memory set aside holds "
                f"{self._bounds.kv_tokens}; shorten the prompt, lower max_tokens, or give the "
                "model more memory (setting engine.kv_budget)",
                param=param if len(job.prompt) > self._bounds.kv_tokens else "max_tokens",
                code="memory_exceeded",
            )

    def _sampling(self, submit: Submit) -> RowSampling:
        s, d = submit.sampling, self._defaults
        return RowSampling(
            temperature=_first(s.temperature, d.temperature, 1.0),
            top_p=_first(s.top_p, d.top_p, 1.0),
            top_k=_first(s.top_k, d.top_k, 0),
            min_p=_first(s.min_p, d.min_p, 0.0),
            repetition_penalty=s.repetition_penalty,
            frequency_penalty=s.frequency_penalty,
            presence_penalty=s.presence_penalty,
            logit_bias=s.logit_bias,
            seed=s.seed or 0,
        )

    def _open_reply(self, job: Job, prompt: str) -> None:
        chat = job.submit.input if isinstance(job.submit.input, Chat) else None
        tools = chat.tools if chat is not None else []
        job.reply = Reply(
            self._tokenizer,
            self._style if chat is not None else PLAIN,
            prompt=prompt,
            stop=job.submit.stop,
            tools=tools,
            parse_tools=bool(tools) and chat is not None and chat.tool_choice != "none",
            parallel=chat is None or chat.parallel_tool_calls,
            constrained=job.matcher is not None,
        )
        for token in job.generated:
            job.reply.push(token)
            if job.matcher is not None:
                job.matcher.advance(token)
        job.written = len(job.generated)


def _images(chat: Chat) -> list[ImagePart]:
    return [p for m in chat.messages for p in m.content if isinstance(p, ImagePart)]


def _first(*values: Any) -> Any:
    return next(v for v in values if v is not None)
