"""Asking something in a process of its own, so that a crash or a hang there is a finding here.

The child reads what to do from its standard input and keeps on reading: when that ends, whoever
asked is gone, and the child ends too. The answer comes over a pipe of its own, as libraries write
what they like to standard output.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec

CHECKS = "mlxd.doctor.checks"
# Of what a child that failed has said.
LAST_CHARACTERS = 4000


class Answer(msgspec.Struct, frozen=True):
    """`value` None: there is none, and `failure` says why in words; `said` is its last output."""

    value: Any = None
    failure: str = ""
    said: str = ""


_living: set["subprocess.Popen[bytes]"] = set()
_lock = threading.Lock()
_ended = False


def ask(
    function: str, arguments: Mapping[str, Any], limit_s: float, environment: Mapping[str, str]
) -> Answer:
    reading, writing = os.pipe()
    with open(reading, "rb") as answers:
        with _lock:
            if _ended:
                os.close(writing)
                return Answer(failure="it was interrupted")
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mlxd.doctor.child", str(writing)],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[writing],
                start_new_session=True,
            )
            _living.add(process)
        os.close(writing)
        try:
            return _exchange(process, answers, function, arguments, limit_s)
        finally:
            _kill(process)
            with _lock:
                _living.discard(process)


def _exchange(
    process: "subprocess.Popen[bytes]",
    answers: Any,
    function: str,
    arguments: Mapping[str, Any],
    limit_s: float,
) -> Answer:
    assert process.stdin is not None
    assert process.stdout is not None
    said = bytearray()
    output = process.stdout
    listener = threading.Thread(target=lambda: said.extend(output.read()), daemon=True)
    listener.start()
    late = threading.Timer(limit_s, _kill, [process])
    late.start()
    began = time.monotonic()
    try:
        process.stdin.write(json.dumps({"call": function, "with": dict(arguments)}).encode())
        process.stdin.write(b"\n")
        process.stdin.flush()
        told = answers.read()
    except BrokenPipeError:
        told = b""
    finally:
        late.cancel()
    taken = time.monotonic() - began
    with process.stdin, process.stdout:
        try:
            # A child that answered ends with its input; one that hangs at its end is killed.
            process.stdin.close()
            code = process.wait(max(0.1, limit_s - taken))
        except (subprocess.TimeoutExpired, BrokenPipeError):
            _kill(process)
            code = process.wait()
        listener.join(1.0)
    words = said.decode("utf-8", "replace")[-LAST_CHARACTERS:].strip()
    if told:
        answer = msgspec.json.decode(told, type=Answer)
        return msgspec.structs.replace(answer, said=answer.said or words)
    if taken >= limit_s:
        return Answer(failure=f"no answer within {limit_s:.0f} s", said=words)
    return Answer(failure=_ending(code), said=words)


def _ending(code: int) -> str:
    if code < 0:
        return f"the process was ended by {signal.Signals(-code).name}"
    return f"the process ended with status {code}"


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def end_all() -> None:
    """Whoever is asked at this moment is ended, and nobody is asked any more."""
    global _ended
    with _lock:
        _ended = True
        for process in _living:
            _kill(process)


def end_with_input() -> None:
    """Have this process end with its whole group once nothing more can come from standard input."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def _serve(writing: int) -> None:
    asked = json.loads(sys.stdin.buffer.readline())
    # A compiler that a library starts must not keep the answer's pipe open.
    os.set_inheritable(writing, False)
    end_with_input()
    module, _, name = asked["call"].partition(":")
    try:
        value = getattr(importlib.import_module(f"{CHECKS}.{module}"), name)(**asked["with"])
        answer = Answer(value)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was asked for
        import traceback

        told = str(error).strip() or type(error).__name__
        answer = Answer(failure=told, said=traceback.format_exc()[-LAST_CHARACTERS:])
    with open(writing, "wb") as answers:
        answers.write(msgspec.json.encode(answer))
    # Threads of libraries must not hold up the end.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
