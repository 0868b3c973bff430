"""What is done to the server, and what its clients are owed meanwhile."""

import asyncio
import signal
from collections.abc import Sequence
from time import perf_counter

from ..check import Probe, echo
from ..faults import Fault, Skip
from . import raw
from .ends import ONE_END, End, Request, judged
from .stage import START_LIMIT_S, Stage

# Codes to repeat: a long answer of any model that can follow, and one that can be compared.
CODES = 50
LONG_TOKENS = 400
LONG_PIECES = 40
TRIES = 8
SHORT_TOKENS = 16
CLIENTS_AT_START = 12
LEAVERS = 4
SWAPS = 4
# How much longer than before a short answer may take: the server may have to finish a step.
SLACK_FACTOR = 3.0
SLACK_S = 2.0
# Of processes whose first one was killed.
ORPHAN_S = 2.0
RETRY_S = 0.05
LEAVES_AFTER_S = 0.05


class Scenes:
    def __init__(self, stage: Stage, swap: Sequence[str]) -> None:
        self.stage = stage
        self._swap = swap
        self._known: tuple[str, str] | None = None

    # --- what all of them need ---------------------------------------------------------------

    async def ready(self, probe: Probe) -> float:
        """It runs, and has answered; seconds until then."""
        began = perf_counter()
        self.stage.resume()
        if not self.stage.runs:
            await self.stage.start()
        await self.stage.open()
        if await self._answer_after(probe, START_LIMIT_S) is None:
            raise Fault("server_down", f"no answer after its start: {self.stage.last_words()}")
        return perf_counter() - began

    async def _answer_after(self, probe: Probe, limit: float) -> float | None:
        """Seconds until a short request is answered; None when that does not happen."""
        began = perf_counter()
        while self.stage.runs and perf_counter() - began < limit:
            end = await self._short(probe).end()
            if end.kind == "answered":
                return perf_counter() - began
            if end.kind == "hung":
                return None
            await asyncio.sleep(RETRY_S)
        return None

    def _short(self, probe: Probe, **more: object) -> Request:
        prompt = echo(probe.nonces.code())
        return Request(probe, prompt, stream=False, max_tokens=SHORT_TOKENS, **more)

    def _long(self, probe: Probe, prompt: str, *, stream: bool = True, **more: object) -> Request:
        return Request(probe, prompt, stream=stream, max_tokens=LONG_TOKENS, **more)

    async def _prompt(self, probe: Probe) -> str:
        return (await self._learnt(probe))[0]

    async def _learnt(self, probe: Probe) -> tuple[str, str]:
        """A prompt with a long answer, and that answer."""
        for _ in range(TRIES):
            if self._known is not None:
                break
            prompt = echo(" ".join(probe.nonces.code() for _ in range(CODES)))
            request = self._long(probe, prompt)
            end = await request.end()
            if end.kind == "answered" and request.pieces >= LONG_PIECES:
                self._known = prompt, end.text
        if self._known is None:
            told = f"no stream of {LONG_PIECES} pieces in {TRIES} tries, the last one ended {end}"
            raise Fault("wire_format", told)
        return self._known

    async def _timed(self, probe: Probe) -> float:
        began = perf_counter()
        end = await self._short(probe).end()
        if end.kind != "answered":
            raise Fault("server_down", f"a short request ended {end}")
        return perf_counter() - began

    async def _prompt_again(self, probe: Probe, usual: float, what: str) -> str:
        took = await self._timed(probe)
        if took > SLACK_FACTOR * usual + SLACK_S:
            raise Fault("timeout", f"a short answer took {took:.1f} s {what}, {usual:.1f} s before")
        return f"a short answer took {took:.2f} s {what}, {usual:.2f} s before"

    async def _hurt(self, probe: Probe, number: int) -> str:
        """A signal to the process that holds the model, under a stream and a whole answer."""
        prompt, expected = await self._learnt(probe)
        stream, whole = self._long(probe, prompt), self._long(probe, prompt, stream=False)
        await stream.until_flowing()
        began = perf_counter()
        if not self.stage.hurt(number):
            raise Fault("server_down", f"no process of it runs: {self.stage.last_words()}")
        recovering = asyncio.create_task(self._answer_after(probe, probe.options.timeout))
        ends = {"stream": await stream.end(), "whole answer": await whole.end()}
        recovered = await recovering
        took = f"{recovered:.1f} s" if recovered is not None else "never by itself"
        for end in ends.values():
            if end.kind == "answered" and end.text != expected:
                end.told = "another text than undisturbed"
        saw = f"next answer: {took}; all ended after {perf_counter() - began:.1f} s"
        told = judged(ends, lambda end: end.kind in ONE_END and not _other(end))
        if recovered is None:
            raise Fault("server_down", "the server does not come back by itself", got=told)
        return f"{told}; {saw}"

    # --- the scenes --------------------------------------------------------------------------

    async def start_storm(self, probe: Probe) -> str:
        await self.stage.close()
        await self.stage.start()
        began = perf_counter()
        refusals = 0

        async def client(number: int) -> End:
            nonlocal refusals
            while perf_counter() - began < START_LIMIT_S:
                end = await Request(
                    probe,
                    echo(probe.nonces.code()),
                    stream=bool(number % 2),
                    max_tokens=SHORT_TOKENS,
                ).end()
                if end.kind not in ("unreached", "error"):
                    return end
                refusals += end.kind == "error"
                await asyncio.sleep(RETRY_S)
            return End("hung", told="never answered")

        ends = await asyncio.gather(*map(client, range(CLIENTS_AT_START)))
        named = {f"client {number}": end for number, end in enumerate(ends)}
        judged(named, lambda end: end.kind == "answered")
        took = perf_counter() - began
        return f"{len(ends)} clients answered within {took:.1f} s, {refusals} told to come later"

    async def leave_loading(self, probe: Probe) -> str:
        await self.stage.close()
        await self.stage.start()
        opened = await self.stage.open()
        leaving = [self._long(probe, echo("hello"), stream=bool(i % 2)) for i in range(LEAVERS)]
        await asyncio.sleep(LEAVES_AFTER_S)
        await asyncio.gather(*(one.left() for one in leaving))
        took = await self.ready(probe)
        return f"connections after {opened:.1f} s; {LEAVERS} left; an answer {took:.1f} s later"

    async def leave_stream(self, probe: Probe) -> str:
        usual = await self._timed(probe)
        prompt = await self._prompt(probe)
        streams = [self._long(probe, prompt) for _ in range(LEAVERS)]
        for stream in streams:
            await stream.until_flowing()
        await asyncio.gather(*(stream.left() for stream in streams))
        return await self._prompt_again(probe, usual, f"after {LEAVERS} streams were left")

    async def crash_stream(self, probe: Probe) -> str:
        return await self._hurt(probe, signal.SIGKILL)

    async def stall_stream(self, probe: Probe) -> str:
        return await self._hurt(probe, signal.SIGSTOP)

    async def swap_stream(self, probe: Probe) -> str:
        other = self._others(probe)[0]
        stream = self._long(probe, await self._prompt(probe))
        await stream.until_flowing()
        began = perf_counter()
        second = self._short(probe, model=other)
        ends = {"stream": await stream.end(), "the other model's answer": await second.end()}
        told = judged(ends, lambda end: end.kind in ONE_END)
        return f"{told}; {perf_counter() - began:.1f} s"

    async def swap_storm(self, probe: Probe) -> str:
        names = [probe.model, *self._others(probe)]
        began = perf_counter()
        requests = {
            f"{name.rpartition('/')[2]} {turn}": Request(
                probe, echo(probe.nonces.code()), stream=bool(turn % 2), max_tokens=60, model=name
            )
            for turn in range(SWAPS)
            for name in names
        }
        ends = {name: await request.end() for name, request in requests.items()}
        judged(ends, lambda end: end.kind in ONE_END)
        counts = {kind: sum(end.kind == kind for end in ends.values()) for kind in ONE_END}
        took = perf_counter() - began
        usable = await self.ready(probe)
        return (
            f"{counts['answered']} of {len(ends)} answered, {counts['error']} refused "
            f"in {took:.1f} s; the next answer {usable:.1f} s later"
        )

    async def kill_restart(self, probe: Probe) -> str:
        prompt = await self._prompt(probe)
        stream, whole = self._long(probe, prompt), self._long(probe, prompt, stream=False)
        await stream.until_flowing()
        family = self.stage.family()
        await self.stage.end(signal.SIGKILL)
        ends = {"stream": await stream.end(), "whole answer": await whole.end()}
        told = judged(ends, lambda end: end.kind in (*ONE_END, "broken"))
        gone = await self.stage.gone(family, ORPHAN_S)
        if gone is None:
            left = len(self.stage.family())
            await self.stage.close()
            raise Fault("server_down", f"{left} processes outlive it", got=told)
        took = await self.ready(probe)
        return (
            f"{told}; no process left after {gone:.1f} s; started again, an answer in {took:.1f} s"
        )

    async def term_stream(self, probe: Probe) -> str:
        prompt = await self._prompt(probe)
        stream, whole = self._long(probe, prompt), self._long(probe, prompt, stream=False)
        await stream.until_flowing()
        family = self.stage.family()
        code, took = await self.stage.end()
        ends = {"stream": await stream.end(), "whole answer": await whole.end()}
        told = judged(ends, lambda end: end.kind in ONE_END)
        if code is None:
            raise Fault("timeout", f"it still runs {took:.0f} s after SIGTERM", got=told)
        if await self.stage.gone(family, ORPHAN_S) is None:
            raise Fault("server_down", "processes of it outlive it", got=told)
        return f"{told}; exit code {code} after {took:.1f} s"

    async def slow_reader(self, probe: Probe) -> str:
        usual = await self._timed(probe)
        body = probe.body(await self._prompt(probe), stream=True, max_tokens=LONG_TOKENS)
        reading = asyncio.create_task(raw.slowly(self.stage.port, body))
        took = await self._prompt_again(probe, usual, "beside a slow reader")
        try:
            async with asyncio.timeout(probe.options.timeout):
                came = await reading
        except TimeoutError:
            raise Fault("timeout", "the slow reader never got to the end") from None
        if came.count(b"[DONE]") != 1:
            told = f"{came.count(b'[DONE]')} times [DONE] in what the slow reader got"
            raise Fault("wire_format", told, got=came[-400:].decode(errors="replace"))
        return f"the slow reader got all {len(came)} bytes; {took}"

    async def half_closed(self, probe: Probe) -> str:
        usual = await self._timed(probe)
        body = probe.body(await self._prompt(probe), stream=True, max_tokens=LONG_TOKENS)
        try:
            async with asyncio.timeout(probe.options.timeout):
                came = await raw.half_closed(self.stage.port, body)
        except TimeoutError:
            raise Fault("timeout", "the half-closed connection was kept without an end") from None
        saw = "answered" if b"[DONE]" in came else f"ended after {len(came)} bytes"
        return f"{saw}; {await self._prompt_again(probe, usual, 'after it')}"

    def _others(self, probe: Probe) -> list[str]:
        if not self._swap:
            raise Skip("no other model was named (--swap NAME)")
        return list(self._swap)


def _other(end: End) -> bool:
    return end.kind == "answered" and bool(end.told)
