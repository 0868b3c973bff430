"""The command line: one module per command, each loaded only when it is used."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

from .complaint import Complaint

# As a shell says it of a command that Ctrl-C has ended.
INTERRUPTED = 130


def main() -> NoReturn:
    try:
        _main()
    except KeyboardInterrupt:
        # Where a command has something to say or to end on Ctrl-C, it does that itself.
        raise SystemExit(INTERRUPTED) from None
    except Complaint as complaint:
        print(f"mlxd: {complaint}", file=sys.stderr)
        raise SystemExit(complaint.code) from None


def _main() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        # Where the locale has no such characters: a question mark is better than no answer.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    with _leaving_on_interrupt():
        from .quick import load_settings, serve_flags, settings_from

        flags = serve_flags(sys.argv[1:])
        if flags is None:
            from .app import app
        else:
            from .serve import run
    if flags is None:
        app()
        raise SystemExit(0)
    raise SystemExit(run(settings_from(flags), again=lambda: load_settings(flags)))


@contextlib.contextmanager
def _leaving_on_interrupt() -> Iterator[None]:
    """While nothing but imports has happened. An exception would be lost in some of them, and a
    trace through them says nothing to anybody."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
