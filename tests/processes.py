"""Other processes, as tests look at them: one may end at any moment, between two looks as well.

One that has ended and only waits to be reaped counts as gone. Who reaps an orphan, and when, is
the business of the machine's first process and of nobody here.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence

import psutil

# For what always comes; a machine that has nothing else to do needs a tenth of it or less.
PATIENCE_S = 120.0
POLL_S = 0.01
# What a service started is gone this long after it was killed: two seconds are promised, of a
# machine that has the time, and the others need it to see the end of a channel.
ORPHAN_S = 30.0


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() not in (
            psutil.STATUS_ZOMBIE,
            psutil.STATUS_DEAD,
        )
    except psutil.NoSuchProcess:
        return False


def stands_still(process: psutil.Process) -> bool:
    """Stopped by a signal, all of its threads."""
    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def words(process: psutil.Process) -> list[str]:
    """Its command line; nothing when it has ended, or is another's."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def beneath(pid: int, word: str = "") -> list[psutil.Process]:
    """Its children and theirs that run; with this word in their command line, where one is given.
    A word, not a part of one: one that was just forked has its parent's line still."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if runs(child) and (not word or word in words(child))]


def anywhere(part: str) -> list[psutil.Process]:
    """All of this machine that run and have this in their command line, a folder's name say."""
    return [one for one in psutil.process_iter() if part in " ".join(words(one)) and runs(one)]


def left(processes: Iterable[psutil.Process], seconds: float = PATIENCE_S) -> list[psutil.Process]:
    """Those that still run after this time; returns as soon as there is none."""
    until = time.monotonic() + seconds
    still = [one for one in processes if runs(one)]
    while still and time.monotonic() < until:
        time.sleep(POLL_S)
        still = [one for one in still if runs(one)]
    return still


async def soon_left(
    processes: Sequence[psutil.Process], seconds: float = PATIENCE_S
) -> list[psutil.Process]:
    return await asyncio.to_thread(left, processes, seconds)


def end(processes: Iterable[psutil.Process]) -> None:
    """What a test has left behind. Numbers that are another's by now are left alone."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
