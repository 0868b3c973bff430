"""The preparer threads: requests in, jobs that the step thread can run without asking anything.

Whatever can be wrong with a request is found here, before it is queued: what is refused never
reaches MLX. A large picture takes a second, so there are several threads, and the most urgent
request goes first.
"""

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlxd.wire import Chat, Failed, ImagePart, Sampling, Submit, Text

from .backends import ImageReader
from .job import Job, Refused
from .sampling import RowSampling
from .scheduler import urgency
from .text import (
    PLAIN,
    ROOM_TO_COMPILE,
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
# Threads that prepare: all but one may be busy with pictures or grammars while text goes on
# through the last. More would only hold more pictures in memory.
THREADS = 3
# How long after the start, and then how often, it is looked whether nobody waits for anything.
LEISURE_SECONDS = 1.0


@dataclass(frozen=True)
class Bounds:
    """What a request must fit into."""

    context: int
    vocabulary: int
    kv_tokens: int


# How urgent, in which order it came, and what.
_Entry = tuple[float, int, Job]


class _Queue:
    """Urgent requests first. Slow ones leave one thread free for the rest."""

    def __init__(self, threads: int) -> None:
        self._slow_left = max(1, threads - 1)
        self._changed = threading.Condition()
        self._quick: list[_Entry] = []
        self._slow: list[_Entry] = []
        self._numbers = itertools.count()
        self._closed = False

    def put(self, job: Job) -> None:
        line = self._slow if _slow(job.submit) else self._quick
        with self._changed:
            heapq.heappush(line, (urgency(job), next(self._numbers), job))
            self._changed.notify()

    def get(self) -> tuple[Job, bool] | None:
        """The next request, and whether it is one of the slow ones; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._lines())
            if self._closed:
                return None
            line = min(self._lines())
            if line is self._slow:
                self._slow_left -= 1
            return heapq.heappop(line)[2], line is self._slow

    def _lines(self) -> list[list[_Entry]]:
        slow = [self._slow] if self._slow and self._slow_left else []
        return [self._quick, *slow] if self._quick else slow

    def done(self, slow: bool) -> None:
        with self._changed:
            self._slow_left += slow
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Preparer:
    """`ready(job)` and `refused(job, failed)` are called on one of its threads. `blind`: why it has
    no `images`, where the model itself could see."""

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
        busy: Callable[[], bool],
        blind: str = "",
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._style = style
        self._grammars = Grammars(tokenizer, style)
        self._images = images
        self._blind = f": {blind}" if blind else ""
        self._defaults = defaults
        self._bounds = bounds
        self._ready = ready
        self._refused = refused
        self._busy = busy
        self._queue = _Queue(THREADS)
        self._closed = threading.Event()

    def start(self) -> None:
        usual = threading.stack_size(ROOM_TO_COMPILE)
        for i in range(THREADS):
            threading.Thread(target=self._run, name=f"preparer-{i}", daemon=True).start()
        threading.stack_size(usual)
        threading.Thread(target=self._get_ready, name="leisure", daemon=True).start()

    def put(self, job: Job) -> None:
        self._queue.put(job)

    def close(self) -> None:
        self._closed.set()
        self._queue.close()
        self._grammars.close()

    def _get_ready(self) -> None:
        """With a large vocabulary, what the first grammar needs takes a tenth of a second in which
        no other thread runs. Streams would feel it, so it is made before there are any."""
        while not self._closed.wait(LEISURE_SECONDS):
            if not self._busy():
                self._grammars.warm()
                return

    def _run(self) -> None:
        while (found := self._queue.get()) is not None:
            job, slow = found
            try:
                self._take(job)
            finally:
                # While it waits for the next one, it must not be what keeps this one alive.
                del found, job
                self._queue.done(slow)

    def _take(self, job: Job) -> None:
        if job.cancelled:
            return
        try:
            self._prepare(job)
        except Refused as error:
            self._refused(job, error.failed(job.id))
        except (InvalidGrammar, GrammarFault) as error:
            told = Failed(job.id, "client", str(error), error.param, error.code)
            self._refused(job, told)
        except InvalidChat as error:
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
                raise Refused(f"this model can't see images{self._blind}", param=pictures[0].where)
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
        if len(job.prompt) >= bounds.context:
            raise Refused(
                f"the prompt has {len(job.prompt)} tokens and this model's context holds "
                f"{bounds.context}, answer included; shorten it",
                param=param,
                code="context_length_exceeded",
            )
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
        choice = chat.tool_choice if chat is not None else "none"
        job.reply = Reply(
            self._tokenizer,
            self._style if chat is not None else PLAIN,
            prompt=prompt,
            stop=job.submit.stop,
            tools=tools,
            parse_tools=bool(tools) and choice != "none",
            parallel=chat is None or chat.parallel_tool_calls,
            constrained=job.matcher is not None,
            must_call=bool(tools) and choice not in ("auto", "none"),
            goes_on=chat is None,
        )
        for token in job.generated:
            job.reply.push(token)
        if job.matcher is not None:
            job.matcher.resume(job.generated)
        job.written = len(job.generated)


def _slow(submit: Submit) -> bool:
    """Pictures are decoded and grammars compiled, either for up to a second."""
    asked = submit.input
    calls = isinstance(asked, Chat) and asked.tools and asked.tool_choice not in ("auto", "none")
    return bool(submit.format or calls or _images(asked))


def _images(asked: Any) -> list[ImagePart]:
    if not isinstance(asked, Chat):
        return []
    return [p for m in asked.messages for p in m.content if isinstance(p, ImagePart)]


def _first(*values: Any) -> Any:
    return next(v for v in values if v is not None)
