"""The command line: one module per command, each loaded only when it is used."""

import io
import sys
from typing import NoReturn

from .complaint import Complaint


def main() -> NoReturn:
    from .quick import serve_flags

    for stream in (sys.stdout, sys.stderr):
        # Where the locale has no such characters: a question mark is better than no answer.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        flags = serve_flags(sys.argv[1:])
        if flags is None:
            from .app import app

            app()
            raise SystemExit(0)
        from .quick import load_settings, settings_from
        from .serve import run

        raise SystemExit(run(settings_from(flags), again=lambda: load_settings(flags)))
    except Complaint as complaint:
        print(f"mlxd: {complaint}", file=sys.stderr)
        raise SystemExit(complaint.code) from None
