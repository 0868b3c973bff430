"""A grammar is compiled first in a process of its own, where it can do no harm.

The compiler is native code that walks some grammars by recursion: a chain of a few thousand rules
overflows its stack, and that ends the process it runs in. Others take it tens of seconds or all of
the memory. So each new grammar is tried here, within bounds of time, memory and stack, by a child
that imports nothing but the compiler. Run as a script, this file is that child. It ends with the
pipe that grammars come through, also in the middle of one: a killed engine leaves nothing behind.
"""

import contextlib
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

# Of processor time, for compiling and the first steps. Everyday grammars take a few milliseconds,
# a schema with 3,000 properties a tenth of a second.
SECONDS = 1.0
# Wall time may be longer on a busy machine; past this the child is taken to hang.
PATIENCE_SECONDS = 20.0
MEMORY_BYTES = 2 << 30
# An eighth of what the threads have that compile a grammar that passed (`ROOM_TO_COMPILE`).
STACK_BYTES = 4 << 20
ROOM_TO_COMPILE = 8 * STACK_BYTES
# Steps that are followed with whatever token comes first.
STEPS = 8

READY = "ready"
TOO_COMPLEX = (
    "It is too complex: compiling it takes too much time, memory or depth. Use fewer rules, "
    "properties, references or repetitions"
)


class Trial:
    """The child, started when it is first needed and anew when a grammar has ended it."""

    def __init__(self, vocabulary: int, special: list[int], limits: dict[str, Any]) -> None:
        self._about = {
            "vocabulary": vocabulary,
            "special": special,
            "limits": limits,
            "seconds": SECONDS,
        }
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._end: Callable[[], object] = lambda: None

    def complaint(self, source: str) -> str:
        """What is wrong with the grammar in the compiler's words; "" when it can be used."""
        with self._lock:
            child = self._child or self._start()
            try:
                answer = self._ask(child, source)
            except BrokenPipeError:  # it was ended from outside between two grammars
                self._drop()
                answer = self._ask(self._start(), source)
            if answer is None:
                self._drop()
            return TOO_COMPLEX if answer is None else answer

    def close(self) -> None:
        """End the child. An engine that ended first would leave it to whoever adopts orphans."""
        self._end()

    def _drop(self) -> None:
        self._child = None
        self._end()

    def _ask(self, child: subprocess.Popen[bytes], source: str) -> str | None:
        assert child.stdin is not None
        child.stdin.write(json.dumps(source).encode() + b"\n")
        child.stdin.flush()
        return _said(child)

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-P", __file__, json.dumps(self._about)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._end = weakref.finalize(self, _end, child)
        if _said(child) != READY:
            self._end()
            raise RuntimeError("the process that tries grammars out can't be started")
        self._child = child
        return child


def _said(child: subprocess.Popen[bytes]) -> str | None:
    """The child's next line; None when it has ended, or says nothing any more."""
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], PATIENCE_SECONDS)
    line = child.stdout.readline() if ready else b""
    return str(json.loads(line)) if line.endswith(b"\n") else None


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):  # what was not sent yet has nowhere to go
            if pipe is not None:
                pipe.close()


class _Bytes:
    """A vocabulary of single bytes: what a grammar costs to compile hardly depends on it."""

    def __init__(self, vocabulary: int, special: list[int]) -> None:
        self.eos_token_id = special[0] if special else 0
        self.bos_token_id = None
        taken = set(special)
        # Control tokens keep their numbers, since grammars name them so.
        self.tokens = [
            b"\xff<%d>" % token if token in taken else b"" for token in range(vocabulary)
        ]
        places = (token for token in range(vocabulary) if token not in taken)
        self._token_of = dict(zip(range(256), places, strict=False))
        for value, token in self._token_of.items():
            self.tokens[token] = bytes([value])
        self.special_token_ids = sorted(taken)

    def __call__(self, text: str | bytes) -> list[int]:
        data = text.encode() if isinstance(text, str) else text
        return [self._token_of[value] for value in data if value in self._token_of]


def _try(tokens: Any, source: str, limits: Any) -> str:
    import llguidance

    matcher = llguidance.LLMatcher(tokens, source, limits=limits, log_level=0)
    follower = matcher.deep_copy()
    for _ in range(STEPS):
        mask = follower.compute_bitmask()
        if matcher.is_error() or follower.is_error() or follower.is_stopped():
            break
        at = next((i for i, byte in enumerate(mask) if byte), None)
        if at is None:
            break
        follower.consume_token(at * 8 + (mask[at] & -mask[at]).bit_length() - 1)
    complaint: str = follower.get_error() or matcher.get_error()
    return complaint


def _say(text: str) -> None:
    print(json.dumps(text), flush=True)


def _serve(about: dict[str, Any], sources: "queue.SimpleQueue[bytes]") -> None:
    try:
        _try_each(about, sources)
    finally:
        os._exit(1)  # or the engine would wait for the answer of a thread that is gone


def _try_each(about: dict[str, Any], sources: "queue.SimpleQueue[bytes]") -> None:
    import llguidance

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the limit is not enforced, or counts what is shared
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    vocabulary = _Bytes(about["vocabulary"], about["special"])
    wrapper: Any = llguidance.TokenizerWrapper(vocabulary)
    tokens = llguidance.LLTokenizer(wrapper, n_vocab=about["vocabulary"], slices=[])
    limits = llguidance.LLParserLimits(**about["limits"])
    _say(READY)
    while True:
        source = json.loads(sources.get())
        signal.setitimer(signal.ITIMER_VIRTUAL, about["seconds"])  # its signal ends the process
        complaint = _try(tokens, source, limits)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        _say(complaint)


if __name__ == "__main__":
    threading.stack_size(STACK_BYTES)
    found: "queue.SimpleQueue[bytes]" = queue.SimpleQueue()
    threading.Thread(target=_serve, args=(json.loads(sys.argv[1]), found), daemon=True).start()
    for line in sys.stdin.buffer:
        found.put(line)
    os._exit(0)  # whatever the other thread is at: nobody waits for it any more
