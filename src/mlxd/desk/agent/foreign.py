"""Tools of other servers, by MCP: connected when a turn first needs them, kept for the next."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from pydantic_ai.toolsets import AbstractToolset

log = logging.getLogger(__name__)

# A server that has not answered by then is left out of this turn.
# Many are fetched, or compiled, before they begin.
CONNECT_S = 30.0
CLOSE_S = 10.0
# And of those that follow: nobody should wait for it again and again.
AGAIN_S = 30.0


class ForeignTools:
    """`file`: of the settings, in the form that other clients of MCP use too; read at each turn, so
    that a change holds from the next one on."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._read: bytes | None = None
        self._toolsets: list[AbstractToolset[Any]] = []
        self._again: dict[int, float] = {}
        self._changing = asyncio.Lock()

    async def join(self, stack: AsyncExitStack) -> list[AbstractToolset[Any]]:
        """Those that answer, for as long as the stack is open. Raises OSError and ValueError when
        the file can't be used."""
        if self._file is None:
            return []
        async with self._changing:
            await self._load(self._file)
            asked = [
                (place, one)
                for place, one in enumerate(self._toolsets)
                if time.monotonic() >= self._again.get(place, 0.0)
            ]
        there = []
        for place, toolset in asked:
            try:
                async with asyncio.timeout(CONNECT_S):
                    there.append(await stack.enter_async_context(toolset))
            except Exception as error:  # noqa: BLE001 - theirs: the turn goes on without it
                self._again[place] = time.monotonic() + AGAIN_S
                log.warning(
                    "the tools of %s are left out for %.0f s: %s", toolset.label, AGAIN_S, error
                )
        return there

    async def _load(self, file: Path) -> None:
        read = await asyncio.to_thread(file.read_bytes)
        if read == self._read:
            return
        from pydantic_ai.mcp import load_mcp_toolsets

        made = load_mcp_toolsets(file)
        await self.aclose()
        self._read, self._toolsets, self._again = read, made, {}

    async def aclose(self) -> None:
        """Their processes end; a turn that is still using one sees its tool fail."""
        toolsets, self._toolsets, self._read = self._toolsets, [], None
        for toolset in toolsets:
            try:
                async with asyncio.timeout(CLOSE_S):
                    await toolset.wrapped.client.close()  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001 - theirs, and they end with us anyway
                log.warning("%s could not be closed: %s", toolset.label, error)
