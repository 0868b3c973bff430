"""The gateway process once its first engine is on its way: HTTP, signals, and an orderly end."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from logging.handlers import RotatingFileHandler
from typing import Any

import uvicorn

from mlxd.gateway import admin, catalogue, desk, pages, proof, pulls
from mlxd.gateway.app import create_app
from mlxd.gateway.config import uvicorn_config
from mlxd.gateway.doctor import doctor
from mlxd.gateway.events import events
from mlxd.gateway.logs import LogRoom
from mlxd.settings import Settings
from mlxd.supervisor.contract import ServiceError
from mlxd.supervisor.launch import Child
from mlxd.supervisor.opening import Opening
from mlxd.supervisor.policy import State
from mlxd.supervisor.slot import Slot
from mlxd.supervisor.supervisor import Supervisor

from .background import up_log

log = logging.getLogger(__name__)

EXIT_NO_MODEL = 4
# After the engines are drained and stopped, what connections may still take to be written out.
WRITE_OUT_S = 5


def serve(
    settings: Settings,
    opening: Opening,
    listening: Sequence[socket.socket],
    launched: Mapping[str, Child],
    command: Sequence[str],
    again: Callable[[], Settings],
) -> int:
    _log_to(settings)
    # It would repeat at "info" what is said here in the user's terms.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        import uvloop
    except ImportError:
        loop_factory = None
    else:
        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_serve(settings, opening, listening, launched, command, again))


def _log_to(settings: Settings) -> None:
    """The terminal, and a file beside the engines' own."""
    kept = settings.logging
    file = RotatingFileHandler(
        settings.data_dir / "logs" / "gateway.log",
        maxBytes=kept.file_bytes,
        backupCount=kept.files,
        encoding="utf-8",
        delay=True,
    )
    handlers: list[logging.Handler] = [file]
    if not _is_own_log(settings):
        handlers.append(logging.StreamHandler(sys.stderr))
    # A full disk costs lines in a file, never an answer, and is no reason to fill the terminal.
    logging.raiseExceptions = False
    logging.basicConfig(
        level=kept.level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=handlers,
    )


def _is_own_log(settings: Settings) -> bool:
    """Started by `mlxd up`: its file would hold all lines once more, and is never moved aside."""
    try:
        return os.path.samestat(os.fstat(sys.stderr.fileno()), up_log(settings).stat())
    except (OSError, ValueError):
        return False


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: engines have to be drained while connections are."""
        yield


async def _serve(
    settings: Settings,
    opening: Opening,
    listening: Sequence[socket.socket],
    launched: Mapping[str, Child],
    command: Sequence[str],
    again: Callable[[], Settings],
) -> int:
    host, port = listening[0].getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    service = Supervisor(
        settings,
        opening.catalogue,
        command=command,
        launched=launched,
        url=url,
        assigned=opening.assigned,
        held=opening.held,
    )

    logs = LogRoom(settings.data_dir, settings.server)
    proofs = proof.Proofs(settings.data_dir / "proof", url, settings.server.token)
    watched = events(service, service, settings.server)

    def reload() -> dict[str, Any]:
        return service.reload(again())

    examiner = doctor(again, settings)

    def hang_up() -> None:
        try:
            log.info("settings read again: %s", reload())
        except (LookupError, ValueError, ServiceError) as error:
            log.error("the settings were read again and can't be used: %s", error)

    server = _Server(
        uvicorn_config(
            create_app(
                service,
                settings.server,
                settings.images,
                routes=[
                    *examiner.routes(),
                    *admin.routes(service, settings.server, reload),
                    *pulls.routes(service.pulls, settings.server),
                    *catalogue.routes(lambda: service.pulls.catalogue, service, settings.server),
                    *proof.routes(proofs, settings.server),
                    *logs.routes(),
                    *desk.routes(service.desk, settings),
                    *watched.routes(),
                    *pages.routes(),
                ],
            ),
            settings.server,
            timeout_graceful_shutdown=int(settings.server.drain_timeout) + WRITE_OUT_S,
        )
    )
    closing: asyncio.Task[None] | None = None

    def end(number: int) -> None:
        nonlocal closing
        server.should_exit = True
        if closing is None:
            _say(f"{signal.Signals(number).name}: finishing what runs; once more to end it now.")
            watched.close()
            logs.close()
            closing = asyncio.create_task(_close(service, proofs))
        else:
            service.hurry()

    async with service:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
        loop.add_signal_handler(signal.SIGHUP, hang_up)
        slots = service.begin()
        welcome = asyncio.create_task(_welcome(url, slots, service.too_big(), server))
        await server.serve(sockets=list(listening))
        welcome.cancel()
        await examiner.close()
        await proofs.close()
        if closing is not None:
            await closing
        failed = [slot for slot in slots if slot.state is State.FAILED]
    return EXIT_NO_MODEL if closing is None and len(failed) == len(slots) > 0 else 0


async def _close(service: Supervisor, proofs: proof.Proofs) -> None:
    """The run first: its requests are answered while it writes what it found."""
    await proofs.close()
    await service.close()


async def _welcome(
    url: str, slots: Sequence[Slot], too_big: Sequence[str], server: uvicorn.Server
) -> None:
    """Say when each model is ready; end the service when none of them can be."""
    _say(f"listening on {url}")
    served = False
    for slot in slots:
        state = await slot.until((State.READY, State.FAILED))
        if state is State.FAILED:
            _say(slot.failure_text())
            continue
        if not served:
            _say(f"{slot.entry.id} is ready. Try:\n\n{_first_request(url, slot.entry.id)}\n")
        else:
            _say(f"{slot.entry.id} is ready.")
        served = True
    for told in too_big:
        _say(f"{told} It is not started.")
    if not slots and not too_big:
        _say("no model is assigned. Assign one: mlxd models assign CAPABILITY NAME")
    elif slots and not served:
        _say("no model could be started, so the service ends.")
        server.should_exit = True


def _first_request(url: str, model: str) -> str:
    return (
        f"  curl {url}/v1/chat/completions -H 'content-type: application/json' \\\n"
        f'    -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\''
    )


def _say(text: str) -> None:
    print(f"mlxd: {text}", flush=True)
