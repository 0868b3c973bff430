"""The endpoint behind chat and bare completions: read, check, submit, and send what comes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from mlxd import wire
from mlxd.supervisor.contract import Service

from . import sse
from .answers import Answers
from .asgi import Receive, Scope, Send, UntilDisconnect, ignored_header, send_json
from .dialects.openai.decode import decode
from .endpoint import Endpoint
from .errors import from_exception
from .forward import forward
from .guards.images import ImageLoader


class Answer(Protocol):
    """One answer in the making: events in, chunks out; folded, the chunks are the whole."""

    id: str

    def chunks(self, index: int, event: wire.Event) -> list[Any]: ...
    def closing(self) -> list[Any]: ...
    def fold(self, chunk: Any) -> None: ...
    def whole(self) -> Any: ...


@dataclass(frozen=True)
class Dialect:
    """How one endpoint's requests become frames, and their events an answer."""

    request: type[Any]
    images: Callable[[Any], Iterable[tuple[str, str]]]
    submits: Callable[[Any, Mapping[str, bytes]], list[wire.Submit]]
    answer: Callable[[Any, str, int], Answer]


class Generate(Endpoint):
    def __init__(
        self,
        service: Service,
        dialect: Dialect,
        images: ImageLoader,
        *,
        body_limit: int,
        body_timeout: float,
        keep_alive: float,
    ) -> None:
        super().__init__(body_limit=body_limit, body_timeout=body_timeout)
        self._service = service
        self._dialect = dialect
        self._images = images
        self._keep_alive = keep_alive

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self.read_json(scope, receive)
        if (model := self.elsewhere(self._service, body)) is not None:
            await forward(model, body, scope, receive, send)
            return
        request, ignored = decode(self._dialect.request, body)
        async with UntilDisconnect(receive):
            wanted = list(self._dialect.images(request))
            card = self._service.resolve(request.model, needs="vision" if wanted else "text")
            images = await self._images.load(wanted) if wanted else {}
            submits = self._dialect.submits(request, images)
            answer = self._dialect.answer(request, card.id, len(submits))
            answers = await Answers.begin(self._service, card, submits)
            try:
                headers = [(b"x-request-id", answer.id.encode()), *ignored_header(ignored)]
                if request.stream:
                    abort = scope.get("extensions", {}).get("mlxd.abort")
                    stream = sse.EventStream(
                        send, headers, self._keep_alive, lambda: answers.state, abort
                    )
                    await _stream(answers, answer, stream)
                else:
                    async for batch in answers.batches():
                        for index, event in batch:
                            for chunk in answer.chunks(index, event):
                                answer.fold(chunk)
                    await send_json(send, msgspec.json.encode(answer.whole()), headers=headers)
            finally:
                await answers.aclose()


async def _stream(answers: Answers, answer: Answer, stream: sse.EventStream) -> None:
    try:
        async for batch in answers.batches():
            chunks = [chunk for index, event in batch for chunk in answer.chunks(index, event)]
            if chunks:
                await stream.write(sse.frames(chunks))
        await stream.done(sse.frames(answer.closing()))
    except Exception as error:
        # After the first byte there is no status left to set: the error is an event.
        if not stream.started:
            raise
        await stream.done(sse.error_frame(from_exception(error)))
    finally:
        stream.abandon()
