"""Starting the parser, watching what it takes, and putting its end into words."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from mlxd.desk.documents.pieces import Survey, Unreadable

# How often the process is looked at.
LOOK_S = 0.1
# Beside what the file makes it take: Python, PDFium, the converters.
BASE_BYTES = 512 * 1024 * 1024
MIB = 1024 * 1024


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be read into `out`, and what that may take."""

    file: str
    name: str
    parser: str
    out: str
    images: str
    page_limit: int
    pixel_limit: int
    unpacked_limit: int
    image_side: int
    memory: int
    seconds: float
    # Pages become pictures even where they have text.
    every_page: bool = False
    # Of a PDF, this page as a picture, and nothing else of it.
    only_page: int | None = None


class Trouble(msgspec.Struct, frozen=True):
    code: str
    message: str


def extract(request: Extraction, stop: Callable[[], bool]) -> Survey | None:
    """None when it was stopped. Raises Unreadable."""
    survey = Path(request.out) / "survey.json"
    if survey.exists():
        return msgspec.json.decode(survey.read_bytes(), type=Survey)
    Path(request.out).mkdir(parents=True, exist_ok=True)
    Path(request.images).mkdir(parents=True, exist_ok=True)
    trouble = Path(request.out) / "trouble.json"
    # Of an attempt before this one: its cause may be gone.
    trouble.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __package__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    said: list[bytes] = []
    assert process.stdin is not None
    assert process.stderr is not None
    errors = process.stderr
    # Read all along, or a parser that complains a lot would wait for us.
    reader = threading.Thread(target=lambda: said.append(errors.read()), daemon=True)
    reader.start()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(request))
        process.stdin.close()
    try:
        over = _watch(process, request, stop)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(1)
        errors.close()
    if over == "stopped":
        return None
    if trouble.exists():
        found = msgspec.json.decode(trouble.read_bytes(), type=Trouble)
        raise Unreadable(found.code, found.message)
    if survey.exists():
        return msgspec.json.decode(survey.read_bytes(), type=Survey)
    raise _explained(over, process.returncode, request, b"".join(said))


def _watch(
    process: "subprocess.Popen[bytes]", request: Extraction, stop: Callable[[], bool]
) -> str:
    """Until it ends; returns why it was ended, if it was."""
    until = time.monotonic() + request.seconds
    while not stop():
        left = max(0.0, until - time.monotonic())
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(LOOK_S, left))
            return ""
        if not left:
            return "time"
        with contextlib.suppress(psutil.Error):
            if psutil.Process(process.pid).memory_info().rss > request.memory + BASE_BYTES:
                return "memory"
    return "stopped"


def _explained(over: str, code: int, request: Extraction, said: bytes) -> Unreadable:
    name = request.name
    if over == "time":
        return Unreadable(
            "parse_timeout",
            f"Reading {name} took longer than {request.seconds:.0f} s "
            "(setting documents.parse_timeout).",
        )
    if over == "memory" or b"MemoryError" in said or b"bad_alloc" in said:
        return Unreadable(
            "parse_memory",
            f"Reading {name} took more than {request.memory // MIB} MiB "
            "(setting documents.parse_memory).",
        )
    last = said.decode(errors="replace").strip().splitlines()[-1:] or [f"status {code}"]
    return Unreadable("damaged_file", f"{name} broke the parser, so it is damaged: {last[0]}")
