"""One server elsewhere: who may ask it, with which key, how it fares, and what it answers."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from mlxd.remotes import RemoteSettings
from mlxd.supervisor.contract import (
    EngineUnavailable,
    Overloaded,
    RemoteFailed,
    ServiceStopping,
)
from mlxd.supervisor.counts import Counts
from mlxd.supervisor.requests import Pace

from .health import Health
from .passing import Events, Tail, without

# A whole answer up to this size is checked before its first byte is sent; what is larger passes
# through as it comes.
HELD_BYTES = 8 * 1024 * 1024
# A service that is its own remote, by whatever way round, would otherwise ask itself for ever.
MOST_HOPS = 4
AT_ONCE = "The service is stopping at once."


class Remote:
    def __init__(self, declared: RemoteSettings, queue_limit: int) -> None:
        self.declared = declared
        self.health = Health()
        self.running = 0
        self.waiting = 0
        self.again = 0
        self.last_error = ""
        self.closing = False
        self.counts = {name: Counts() for name in declared.models}
        self.pace = Pace()
        self._limit = queue_limit
        self._free = asyncio.Semaphore(declared.concurrency)
        self._calls: set[Call] = set()
        self._left = asyncio.Event()
        self._upstream: Any = None

    @property
    def state(self) -> str:
        return "no key" if self._missing_key() else self.health.state

    def _missing_key(self) -> bool:
        name = self.declared.key_env
        return name is not None and not os.environ.get(name, "").strip()

    def key(self) -> str | None:
        name = self.declared.key_env
        if name is None:
            return None
        value = os.environ.get(name, "").strip()
        if not value:
            raise RemoteFailed(
                f"The key of {self.declared.name} is missing: {name} is not set in the environment "
                "of the service. Set it, and start the service again.",
                status=503,
                code="remote_key_missing",
            )
        if not value.isascii() or not value.isprintable() or " " in value:
            raise RemoteFailed(
                f"What {name} holds can't be the key of {self.declared.name}: it has spaces or "
                "letters that no header can carry.",
                status=503,
                code="remote_key_missing",
            )
        return value

    def check_admission(self, hops: int) -> None:
        name = self.declared.name
        if self.closing:
            raise ServiceStopping
        if hops >= MOST_HOPS:
            raise RemoteFailed(
                f"This request went through {hops} services already; {name} leads back to one of "
                "them. Look at the url of the remotes.",
                status=508,
                code="remote_loop",
            )
        if self.running + self.waiting >= self._limit:
            wait = self.pace.refused()
            raise Overloaded(
                f"{self.running + self.waiting} requests are with {name} already, which is the "
                f"limit (setting server.queue_limit). Try again in {wait:.0f} s.",
                wait,
            )
        wait_s = self.health.admit(time.monotonic())
        if wait_s is not None:
            raise RemoteFailed(
                f"{name} ({self.declared.url}) failed {self.health.failures} times in a row, "
                f"lately so: {self.last_error.rstrip('.')}. It is asked again in {wait_s:.0f} s.",
                status=503,
                code="remote_unreachable",
                retry_after=wait_s,
            )

    async def enter(self, call: "Call") -> None:
        if not self._calls:
            self.pace.began()
        self._calls.add(call)
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        call.inside = True

    def leave(self, call: "Call") -> None:
        self._calls.discard(call)
        self._left.set()
        if call.inside:
            call.inside = False
            self.running -= 1
            self._free.release()
            self.pace.completed()

    def failed(self, why: str) -> None:
        self.last_error = why
        self.health.failed(time.monotonic())

    def upstream(self) -> Any:
        if self._upstream is None:
            # Only who has a server elsewhere pays for the HTTP client.
            from .upstream import Upstream

            self._upstream = Upstream(self.declared)
        return self._upstream

    def hurry(self) -> None:
        for call in list(self._calls):
            call.stop()

    async def close(self, drain_s: float = 0.0) -> None:
        self.closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self._until_empty()
        self.hurry()
        await self._until_empty()
        if self._upstream is not None:
            await self._upstream.aclose()

    async def _until_empty(self) -> None:
        while self._calls:
            self._left.clear()
            await self._left.wait()


class RemoteModel:
    def __init__(self, remote: Remote, name: str) -> None:
        self.remote = remote
        self.name = name

    async def ask(self, path: str, body: dict[str, Any], hops: int) -> "Call":
        self.remote.check_admission(hops)
        call = Call(self.remote, self.name)
        try:
            await call.begin(path, body, hops)
        except BaseException:
            await call.aclose()
            raise
        return call


class Call:
    """One request at a server elsewhere. It has one outcome, settled once: answered, failed, or
    left by its client."""

    def __init__(self, remote: Remote, model: str) -> None:
        self.inside = False
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_stream = False
        self._remote = remote
        self._model = model
        self._counts = remote.counts[model]
        self._tail = Tail()
        self._at = time.monotonic()
        self._response: Any = None
        self._whole: bytes | None = None
        self._settled = False
        self._stopped = False
        # Otherwise it is written to the client, who is to get whole events and an end.
        self._reading = True
        self._task = asyncio.current_task()
        self._ends_with_mark = False

    async def begin(self, path: str, body: dict[str, Any], hops: int) -> None:
        remote = self._remote
        self._counts.requests += 1
        theirs = {**body, "model": remote.declared.models[self._model]}
        key = remote.key()
        try:
            await remote.enter(self)
            response, again = await remote.upstream().open(
                path, msgspec.json.encode(theirs), key, hops + 1
            )
            self._response = response
            remote.again += again
            self.status, self.headers = response.status, response.headers
            self._counts.first_token.add(time.monotonic() - self._at)
            if not 200 <= self.status < 300:
                await self._take_refusal(key)
                return
            self._ends_with_mark = path == "/chat/completions"
            self._check_kind(streaming=body.get("stream") is True)
            if not self.is_stream:
                self._whole = await self._hold()
        except RemoteFailed as error:
            self._fail(str(error))
            raise
        except asyncio.CancelledError:
            self._raise_if_stopped()
            raise

    async def _take_refusal(self, key: str | None) -> None:
        """What is no success is passed on where a client of this API can read it."""
        from .upstream import ERROR_BYTES, GONE, SHOWN_CHARACTERS

        response, name = self._response, self._remote.declared.name
        if 300 <= self.status < 400:
            where = without(key, response.location)[:SHOWN_CHARACTERS]
            raise RemoteFailed(
                f"{name} redirects to {where!r}; if that is right, make it this remote's url.",
                code="remote_failed",
            )
        body = without(key, (await response.beginning(ERROR_BYTES)).decode("utf-8", "replace"))
        told = f"it answered {self.status}: {body[:SHOWN_CHARACTERS].strip()}"
        if self.status in (401, 403):
            variable = self._remote.declared.key_env
            told += f" (its key comes from {variable})" if variable else " (it has no key_env)"
        if self.status in GONE and response.retry_after is None:
            self._fail(told)
        else:
            # It lives: what it refuses, it refuses for a reason of its own.
            self._settled = True
            self._remote.health.answered()
            self._remote.last_error = told
            self._counts.failed += 1
        if response.encoded or not _is_object(body):
            raise RemoteFailed(
                f"{name} gave no usable answer: {told}",
                status=self.status if self.status < 500 or self.status in GONE else 502,
                code="remote_failed",
                retry_after=_seconds(response.retry_after),
            )
        self._whole = body.encode()

    def _check_kind(self, *, streaming: bool) -> None:
        kind = self._response.kind
        self.is_stream = kind == "text/event-stream" or (streaming and not kind)
        if kind in ("", "application/json") or self.is_stream:
            return
        raise RemoteFailed(
            f"{self._remote.declared.name} answered with {kind[:80]!r}, which is no answer of an "
            "OpenAI-compatible server. Is its url right, up to and with /v1?",
            code="remote_failed",
        )

    async def _hold(self) -> bytes | None:
        """The whole answer, or None when it is too large to be held."""
        from .upstream import Broken

        response = self._response
        made = bytearray(response.first)
        try:
            async for part in response.rest():
                made += part
                if len(made) > HELD_BYTES:
                    response.first = bytes(made)
                    return None
        except Broken as error:
            raise self._broke(str(error)) from error
        whole = bytes(made)
        if not response.encoded and not _is_object(whole):
            raise self._broke("its body is no JSON object, or a part of one")
        self._tail.feed(whole)
        self._answered()
        return whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._whole is not None:
            self._reading = False
            yield self._whole
            return
        from .upstream import Broken

        events = Events()
        # Compressed events can't be told apart.
        guarded = self.is_stream and not self._response.encoded
        try:
            async for part in self._parts():
                self._tail.feed(part)
                ready = events.feed(part) if guarded else part
                if ready:
                    self._reading = False
                    yield ready
                    self._reading = True
                    if self._stopped:
                        raise EngineUnavailable(AT_ONCE)
            if guarded and self._ends_with_mark and not self._tail.finished:
                raise Broken("its stream ended before the answer did")
            self._answered()
            if rest := events.rest():
                yield rest
        except Broken as error:
            raise self._broke(str(error)) from error
        except asyncio.CancelledError:
            self._raise_if_stopped()
            raise

    async def _parts(self) -> AsyncIterator[bytes]:
        if self._response.first:
            yield self._response.first
        async for part in self._response.rest():
            yield part

    def _broke(self, why: str) -> RemoteFailed:
        name = self._remote.declared.name
        made = RemoteFailed(f"The answer of {name} broke off: {why}.", code="remote_failed")
        self._fail(str(made))
        return made

    def _answered(self) -> None:
        if not self._settled:
            self._settled = True
            self._remote.health.answered()
            used = self._tail.usage()
            self._counts.tokens_in += used.get("prompt", 0)
            self._counts.tokens_cached += used.get("cached", 0)
            self._counts.tokens_out += used.get("completion", 0)

    def _fail(self, why: str) -> None:
        if not self._settled:
            self._settled = True
            self._counts.failed += 1
            self._remote.failed(why)

    def stop(self) -> None:
        if self._task is not None and not self._stopped:
            self._stopped = True
            if self._reading:
                self._task.cancel()

    def _raise_if_stopped(self) -> None:
        if self._stopped and self._task is not None:
            self._task.uncancel()
            raise EngineUnavailable(AT_ONCE)

    async def aclose(self) -> None:
        if not self._settled:
            self._settled = True
            self._remote.health.left()
        try:
            if self._response is not None:
                await self._response.aclose()
        finally:
            self._remote.leave(self)


def _is_object(body: str | bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(body), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


def _seconds(retry_after: str | None) -> float | None:
    """A date is not worked out: the client gets a plain 503 then."""
    return float(retry_after) if retry_after and retry_after.isdigit() else None
