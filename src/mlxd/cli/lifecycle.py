"""`mlxd smoke --lifecycle`: servers started by a command line, hurt, and watched from outside."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Sequence

from mlxd.smoke import Observer, Options, Report
from mlxd.smoke.lifecycle import PORT as PORT_PLACE
from mlxd.smoke.lifecycle import SCENES, SCRATCH, Settled, lifecycle
from mlxd.smoke.runner import Runner

from .smoke import usage

OURS = shlex.join([sys.executable, "-m", "mlxd", "serve"])
MLXD = f"mlxd={OURS} --port {PORT_PLACE} --data-dir {SCRATCH}"


def judge(
    commands: Sequence[str],
    model_id: str,
    swap: Sequence[str],
    options: Options,
    observer: Observer | None,
    *,
    only: Sequence[str],
) -> Report:
    """Ctrl-C ends it early with a whole report, and with no process left."""
    for name in only:
        if name not in SCENES:
            raise usage(f"{name!r} is no scene. There are: {', '.join(SCENES)}.")
    subjects = [_subject(one, model_id, swap) for one in commands or [MLXD]]

    async def run() -> Report:
        loop = asyncio.get_running_loop()

        def watch(runner: Runner) -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(
                    number, runner.stop, f"interrupted by {signal.Signals(number).name}"
                )

        return await lifecycle(
            subjects,
            options=options,
            only=[f"lifecycle.{name}" for name in only],
            observer=observer,
            on_runner=watch,
        )

    return asyncio.run(run())


def _subject(given: str, model_id: str, swap: Sequence[str]) -> Settled:
    name, equals, command = given.partition("=")
    if not equals or " " in name or "/" in name:
        name, command = "", given
    if PORT_PLACE not in command:
        raise usage(f"--command {given!r} has no {PORT_PLACE} in it, the port that it is to use.")
    return Settled(name=name, command=command, model_id=model_id, swap=swap)
