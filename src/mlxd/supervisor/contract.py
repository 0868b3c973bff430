"""What the gateway asks of the supervisor, and what can come back instead of an answer.

The gateway knows models as cards and answers as streams; which process serves them, whether it
has to be started first or was replaced in the middle, stays behind this contract.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from mlxd.catalog import shortened
from mlxd.catalog.pull import PULL_AGAIN_S, Event, Trouble

if TYPE_CHECKING:
    # Errors of this module are needed before the first engine is on its way; asyncio is not.
    from mlxd import wire

# Of a download: when it is worth asking again.
LOOK_AGAIN_S, LONGEST_LOOK_S = 10.0, 60.0


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What `/v1/models` shows of a model. `id` is the name that answers carry; every alias, the
    hub id and the folder mean the same card. `context`, `vocabulary` and the like are None until
    they are known."""

    id: str
    aliases: list[str] = []
    capabilities: list[str] = []
    context: int | None = None
    created: int = 0
    owned_by: str = "mlxd"
    state: str = "stopped"
    path: str | None = None
    size_bytes: int | None = None
    detail: dict[str, Any] = {}


class ServiceError(Exception):
    """Anything that a client gets instead of an answer; `str()` is written for that client."""


class UnknownModel(ServiceError):
    """No model has this name (404). `available` are the names that would have worked."""

    def __init__(self, name: str, available: Sequence[str], why: str = "") -> None:
        self.name = name
        self.available = list(available)
        there = shortened(self.available) or "none; name one with --model DIR or ORG/NAME"
        told = why or f"There is no model named {name!r} here."
        super().__init__(f"{told} Available: {there}.")


class NotCapable(ServiceError):
    """The model exists but cannot do what was asked of it, embeddings for example (400)."""

    def __init__(self, message: str, *, needs: str) -> None:
        self.needs = needs
        super().__init__(message)


class RequestFailed(ServiceError):
    """The engine refused or lost this one request; `failed` says whose fault it was."""

    def __init__(self, failed: wire.Failed) -> None:
        self.failed = failed
        super().__init__(failed.message)


class EngineUnavailable(ServiceError):
    """The engine cannot be had now: crash loop, no memory, stopping (503 with Retry-After)."""

    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ServiceStopping(EngineUnavailable):
    def __init__(self) -> None:
        super().__init__("The service is stopping.")


class Downloading(EngineUnavailable):
    """The model is on its way to this machine, or could not be had (503 with Retry-After)."""

    def __init__(self, name: str, event: Event) -> None:
        if isinstance(event.error, Trouble):
            super().__init__(f"{name} could not be downloaded: {event.error.message}", PULL_AGAIN_S)
            return
        far = "" if event.percent is None else f", {event.percent} % of {event.total} bytes so far"
        told = f"{name} is being downloaded{far}. To watch it: GET /models/pull/{event.model}"
        super().__init__(told, min(event.seconds_left or LOOK_AGAIN_S, LONGEST_LOOK_S))


class Overloaded(ServiceError):
    """Too much is queued already (429 with Retry-After); nothing was submitted."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Unassigned(UnknownModel):
    """A capability was named as the model, and none is assigned to it (404)."""

    def __init__(self, capability: str, able: Sequence[str]) -> None:
        super().__init__(capability, able)
        can = f" These can do it: {', '.join(able)}." if able else ""
        self.args = (
            f"No model is assigned to {capability}.{can} "
            f"Assign one: mlxd models assign {capability} NAME",
        )


class UnknownCapability(ServiceError):
    """(404)"""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"{name!r} is no capability. There are: {', '.join(known)}.")


class DeskUnavailable(ServiceError):
    """The process of documents and agent can't answer now (503 with Retry-After)."""

    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class NotKept(ServiceError):
    """The change could not be written down, so it was not made (503)."""


class RemoteFailed(ServiceError):
    """A server elsewhere gave no answer that could be passed on; `status` says how so."""

    def __init__(
        self, message: str, *, status: int = 502, code: str, retry_after: float | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.retry_after = retry_after
        super().__init__(message)


class Passed(Protocol):
    """What a server elsewhere answers. Iterated once: bytes as they are to be sent. What breaks off
    raises RemoteFailed, with `is_stream` after whole events only. `aclose` as for Stream: it hangs
    up, which is how the other side learns that nobody waits any more."""

    status: int
    headers: list[tuple[bytes, bytes]]
    is_stream: bool

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Elsewhere(Protocol):
    """A model that a server elsewhere has."""

    async def ask(self, path: str, body: dict[str, Any], hops: int) -> Passed:
        """`path` is what follows /v1; `hops`: how many services this request went through.
        Raises Overloaded, EngineUnavailable or RemoteFailed."""
        ...


class Stream(Protocol):
    """One answer as it comes. Each item is the non-empty list of events that arrived since the
    last one, in order; the event with `finish` is the last, and iteration ends after it. Instead
    of an item, iteration may raise RequestFailed or EngineUnavailable, also before the first.

    A replacement of the engine is invisible here, apart from the pause. One task iterates; that
    same task calls `aclose` when it is done, early or not, however it ended: it is idempotent and
    cancels whatever the engine still does for this answer.
    """

    def __aiter__(self) -> AsyncIterator[list[wire.Event]]: ...

    async def __anext__(self) -> list[wire.Event]: ...

    async def aclose(self) -> None: ...

    @property
    def state(self) -> str:
        """What it is waiting for, in a few words for a keep-alive comment: "loading 40 %"."""
        ...


class Service(Protocol):
    """All that the gateway may ask for. Methods that are not `async` never block."""

    def models(self) -> list[ModelCard]: ...

    def certificate(self, name: str) -> dict[str, Any] | None:
        """What smoke has proved of the model with this id, and what is stale of it."""
        ...

    def resolve(self, name: str, *, needs: str) -> ModelCard:
        """The card for an alias, hub id, folder or capability name. `needs` is a capability:
        "text", "vision", "embedding". Raises UnknownModel or NotCapable."""
        ...

    def find(self, name: str) -> ModelCard:
        """The card for any name that `resolve` takes. Looking begins no download."""
        ...

    def elsewhere(self, name: str) -> Elsewhere | None:
        """Where a model or capability is served, if not here."""
        ...

    def generate(self, card: ModelCard, submit: wire.Submit) -> Stream:
        """Queue one request; the supervisor puts in the id, and starts the engine if it must.
        Raises Overloaded or EngineUnavailable, here or from the stream's first item."""
        ...

    async def embed(self, card: ModelCard, embed: wire.Embed) -> wire.Embedded:
        """Cancelling the await cancels the work in the engine. Raises as a stream does."""
        ...

    def ready(self) -> bool:
        """An assigned model can answer now."""
        ...

    def status(self) -> Any:
        """What /status shows; anything that msgspec can turn into a JSON object."""
        ...

    def metrics(self) -> tuple[bytes, str]:
        """What /metrics shows: the body and its content type."""
        ...
