"""The gateway's own cost: a fake engine behind it, so that nothing else takes time."""

from collections.abc import Callable, Sequence

from mlxd.bench import Measure, Unusable

from .bars import Bar, below, find

REQUEST = "gateway, one short request"
STREAMING = "gateway's share of one core at 2,000 tok/s"
MEMORY = "gateway's memory after 10,000 requests"


async def measure(say: Callable[[str], None], *, quick: bool) -> list[Measure]:
    raise Unusable("the gateway is not there yet")


def bars(found: Sequence[Measure]) -> list[Bar]:
    def median(name: str) -> float | None:
        measure = find(found, name)
        return measure.median if measure else None

    return [
        below("gateway's own time for a request, median", 1.5, median(REQUEST), "ms"),
        below("gateway's processor while 2,000 tokens a second stream", 20, median(STREAMING), "% of a core"),  # noqa: E501
        below("gateway's memory after 10,000 requests", 90, median(MEMORY), "MB"),
    ]  # fmt: skip
