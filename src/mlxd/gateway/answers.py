"""Several streams read as one: each event with the index of the choice that it belongs to."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from mlxd import wire
from mlxd.supervisor.contract import ModelCard, Service, Stream

Batch = list[tuple[int, wire.Event]]


class Answers:
    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self._pumps: list[asyncio.Task[None]] = []

    @classmethod
    async def begin(
        cls, service: Service, card: ModelCard, submits: Sequence[wire.Submit]
    ) -> "Answers":
        """All of them or none: what was queued is taken back when one is refused."""
        streams: list[Stream] = []
        answers = cls(streams)
        try:
            for submit in submits:
                streams.append(service.generate(card, submit))
        except BaseException:
            await answers.aclose()
            raise
        return answers

    @property
    def state(self) -> str:
        return self._streams[0].state

    async def batches(self) -> AsyncIterator[Batch]:
        if len(self._streams) == 1:
            async for events in self._streams[0]:
                yield [(0, event) for event in events]
            return
        arrived: asyncio.Queue[Batch | Exception | None] = asyncio.Queue()
        self._pumps = [
            asyncio.create_task(_pump(index, stream, arrived))
            for index, stream in enumerate(self._streams)
        ]
        left = len(self._pumps)
        while left:
            item = await arrived.get()
            if item is None:
                left -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                yield item

    async def aclose(self) -> None:
        if not self._pumps:
            for stream in self._streams:
                await stream.aclose()
            return
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


async def _pump(
    index: int, stream: Stream, arrived: "asyncio.Queue[Batch | Exception | None]"
) -> None:
    try:
        async for events in stream:
            arrived.put_nowait([(index, event) for event in events])
        arrived.put_nowait(None)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader of the queue raises it
        arrived.put_nowait(error)
    finally:
        await stream.aclose()
