"""Many scenes in one world at the same time, each with a model of its own: most of their time is
waiting. A scene that fails is one test's failure, not everyone's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from .world import World, world

T = TypeVar("T")
Scene = Callable[[World, str], Awaitable[T]]


def together(
    folder: Path, scenes: Mapping[str, Scene[T]], *switches: str, **environment: str
) -> dict[str, T | Exception]:
    """What each scene returned or raised, by name. Its model is called like it."""
    found: dict[str, T | Exception] = {}

    async def play(here: World, name: str) -> None:
        try:
            found[name] = await scenes[name](here, name)
        except Exception as error:  # noqa: BLE001 - raised again by the test of this scene
            found[name] = error

    async def everything() -> None:
        async with world(folder, [*scenes], *switches, **environment) as here:
            await asyncio.gather(*(play(here, name) for name in scenes))

    asyncio.run(everything())
    return found


def of(found: Mapping[str, T | Exception], name: str) -> T:
    made = found[name]
    if isinstance(made, Exception):
        raise made
    return made
