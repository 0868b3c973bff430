"""How a request ended, as its client saw it. Exactly one end is what every request is owed."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..answer import error_message, read_whole
from ..check import CHAT, Probe
from ..faults import Fault
from ..server import FaultyExchange, Reply
from ..stream import events, read_stream

# answered: whole. error: an error that says so, as a status or an event. broken: the connection
# ended before the answer did. hung: nothing for as long as one answer may take. cut: a proper end
# without a reason, so that the client takes a part for the whole. twice: something after the end.
# unreached: no connection, so that there was no request.
Kind = Literal["answered", "error", "broken", "hung", "cut", "twice", "unreached"]
ONE_END: tuple[Kind, ...] = ("answered", "error")


@dataclass
class End:
    kind: Kind
    text: str = ""
    told: str = ""

    def __str__(self) -> str:
        return f"{self.kind} ({self.told[:160]})" if self.told else self.kind


class Request:
    """One on its way. `flowing` is set once a stream has brought a few pieces."""

    PIECES = 8

    def __init__(self, probe: Probe, prompt: str, *, stream: bool, **more: Any) -> None:
        self.flowing = asyncio.Event()
        self.pieces = 0
        self._probe = probe
        self._stream = stream
        self._body = probe.body(prompt, stream=stream or None, **more)
        self._task = asyncio.create_task(self._run())

    def leave(self) -> None:
        self._task.cancel()

    async def left(self) -> None:
        self.leave()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def end(self) -> End:
        return await self._task

    async def until_flowing(self) -> None:
        """Until the stream flows; Fault when it ended before."""
        flowing = asyncio.create_task(self.flowing.wait())
        await asyncio.wait({flowing, self._task}, return_when=asyncio.FIRST_COMPLETED)
        flowing.cancel()
        if not self.flowing.is_set():
            raise Fault(
                "wire_format", f"the answer is too short to be disturbed: {self._task.result()}"
            )

    async def _run(self) -> End:
        probe = self._probe
        try:
            async with probe.server.open("POST", CHAT, self._body) as (reply, pieces):
                probe.exchanges.append(reply.exchange)
                async for _ in pieces:
                    self.pieces = len(reply.pieces)
                    if self.pieces >= self.PIECES:
                        self.flowing.set()
        except FaultyExchange as fault:
            kind: Kind = "hung" if fault.category == "timeout" else "broken"
            return End("unreached" if fault.error else kind, told=fault.message)
        return read_end(reply, stream=self._stream)


def read_end(reply: Reply, *, stream: bool) -> End:
    if reply.status != 200:
        return End("error", told=f"HTTP {reply.status}: {error_message(reply)}")
    try:
        if not stream:
            return End("answered", read_whole(reply).text)
        answer = read_stream(reply)
    except Fault as fault:
        if "an error ended the stream" in fault.message and _ends_once(reply):
            return End("error", told=fault.message)
        return End("cut", told=fault.message)
    if answer.finish is None:
        return End("cut", answer.text, "the stream ends without finish_reason and without an error")
    if any("after [DONE]" in text or "finish_reason" in text for text in answer.complaints):
        return End("twice", answer.text, "; ".join(answer.complaints))
    return End("answered", answer.text)


def _ends_once(reply: Reply) -> bool:
    with contextlib.suppress(Fault):
        data = [text for _, text in events(reply)]
        return sum('"error"' in text for text in data) == 1 and data.count("[DONE]") <= 1
    return False


def judged(ends: dict[str, End], wanted: Callable[[End], bool]) -> str:
    """What clients saw, in words; Fault where one of them saw something else than it is owed."""
    saw = "; ".join(f"{name}: {end}" for name, end in ends.items())
    for name, end in ends.items():
        if not wanted(end):
            hung = end.kind == "hung"
            category: Any = "timeout" if hung else "wire_format"
            category = "server_down" if end.kind == "broken" else category
            raise Fault(category, f"{name} ended {end}", got=saw)
    return saw
