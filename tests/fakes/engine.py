"""An engine without a model: a real process that speaks the channel's frames.

    python -m tests.fakes.engine --fd N --model NAME [switches]

It answers as `script.py` says, one token a step for every running request, and misbehaves as the
switches or the prompt ask. Unknown arguments are ignored, so it can stand where the real engine's
command line stands.
"""

import argparse
import math
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

from mlxd import wire

from .script import VOCABULARY, Piece, Script, script, words

CONTEXT = 4096
# While a model's folder has a file of this name, its engine dies as with --die-loading; if it says
# LASTING, the engine says itself that no other could load it.
BROKEN = "broken"
LASTING = "for good"
# While it has one of this name, the engine stays in the state that it names, once it is there:
# starting, loading, prefilling, or decoding, where a row has come to its token HELD_AT. Its heart
# beats on.
HELD = "held"
HELD_AT = 20
HELD_LOOK_S = 0.01
CAPABILITIES = "text,vision,tool_use,structured_output,embedding"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fake-engine", description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--model", default="fake")
    parser.add_argument(
        "--capabilities", default="text,vision,tool_use,structured_output,embedding"
    )
    parser.add_argument("--rate", type=float, default=0.0, help="steps a second; 0: no limit")
    parser.add_argument("--heartbeat", type=float, default=0.2, help="seconds")
    parser.add_argument("--context", type=int, default=CONTEXT)
    parser.add_argument("--start-seconds", type=float, default=0.0, help="before the first frame")
    parser.add_argument("--load-seconds", type=float, default=0.0)
    parser.add_argument("--fail-load", action="store_true", help="Failed with id 0, then exit 1")
    parser.add_argument("--die-loading", action="store_true", help="SIGKILL itself before Hello")
    parser.add_argument("--never-ready", action="store_true", help="load for ever, heart beating")
    parser.add_argument("--mute", action="store_true", help="load for ever without a heartbeat")
    parser.add_argument("--ignore-stop", action="store_true")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--ignore-drain", action="store_true")
    parser.add_argument("--script", default="", help="directives for every request")
    return parser.parse_known_args()[0]


class Row:
    def __init__(self, submit: wire.Submit, made: Script) -> None:
        self.submit = submit
        self.script = made
        self.done = len(submit.resume)
        self.begin_at = time.monotonic() + made.wait
        self.reasoning = sum(piece.kind == "reasoning" for piece in made.pieces[: self.done])

    def event(self, tokens: list[int], piece: Piece | None, last: bool) -> wire.Event:
        submit, made = self.submit, self.script
        cut = submit.max_tokens is not None and self.done >= submit.max_tokens
        cut = cut and self.done < len(made.pieces)
        text = piece.text if piece and piece.kind == "text" else ""
        calls = [piece.call] if piece and piece.call else []
        logprobs = []
        if piece and submit.logprobs is not None:
            logprobs = [logprob(piece.text, self.done, submit.logprobs)]
        return wire.Event(
            submit.id,
            tokens=tokens,
            text=text,
            reasoning=piece.text if piece and piece.kind == "reasoning" else "",
            calls=calls,
            logprobs=logprobs,
            finish=("length" if cut else made.finish) if last else None,
            why=made.why if last else "",
            usage=wire.Usage(made.prompt_tokens, self.done, 0, self.reasoning) if last else None,
        )


def logprob(text: str, position: int, alternatives: int) -> wire.TokenLogprob:
    def one(token: str, value: float) -> wire.TokenLogprob:
        return wire.TokenLogprob(token, value, token.encode())

    best = -0.1 - position / 1000
    top = [one(text, best)] + [one(f"alt{i}", best - i) for i in range(1, alternatives)]
    return wire.TokenLogprob(text, best, text.encode(), top[:alternatives])


def vector(text: str) -> bytes:
    raw = [((zlib.crc32(f"{i}{text}".encode()) % 2001) - 1000) / 1000 for i in range(8)]
    norm = math.sqrt(sum(x * x for x in raw)) or 1.0
    return struct.pack("<8f", *(x / norm for x in raw))


class FakeEngine:
    def __init__(self, args: argparse.Namespace, end: wire.EngineEnd, sock: socket.socket) -> None:
        self.args = args
        self.end = end
        self.sock = sock
        self.inbox: queue.Queue[wire.Down] = queue.Queue()
        self.rows: dict[int, Row] = {}
        self.steps = 0
        self.taken = 0
        self.draining = False
        self.deaf = threading.Event()
        self.beat_at = 0.0

    def read(self) -> None:
        for frame in self.end.frames():
            self.inbox.put(frame)
            if self.deaf.is_set():
                threading.Event().wait()
        os._exit(0)

    def load(self) -> None:
        args = self.args
        time.sleep(args.start_seconds)
        while self.holds("starting"):
            time.sleep(HELD_LOOK_S)
        started = time.monotonic()
        if self.says(BROKEN, LASTING):
            told = f"{args.model} has no weights"
            self.end.send(wire.Failed(0, "engine", told, code="cannot_load"))
            sys.exit(1)
        if args.die_loading or (Path(args.model) / BROKEN).exists():
            print(f"no use: {args.model} is broken", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if args.fail_load:
            self.end.send(wire.Failed(0, "engine", f"{args.model} has no weights"))
            sys.exit(1)
        while (
            args.never_ready
            or args.mute
            or time.monotonic() - started < args.load_seconds
            or self.holds("loading")
        ):
            if not args.mute:
                done = min(int((time.monotonic() - started) * 1000), 999)
                self.end.send(wire.Progress("loading", done=done, total=1000))
            time.sleep(0.02)
        self.end.send(
            wire.Hello(
                pid=os.getpid(),
                versions={"fake": "1"},
                device="none",
                architecture="fake",
                context=args.context,
                vocabulary=VOCABULARY,
                parameters=0,
                bytes_per_token=1,
                kv_budget=1 << 20,
                capabilities=args.capabilities.split(","),
                dtype="float32",
                load_seconds=time.monotonic() - started,
            )
        )

    def progress(self) -> None:
        self.beat_at = time.monotonic() + self.args.heartbeat
        now = time.monotonic()
        if self.holds("prefilling"):
            now = 0.0
        waiting = sum(row.begin_at > now for row in self.rows.values())
        phase = "idle"
        if self.rows:
            phase = "prefilling" if waiting == len(self.rows) else "decoding"
        rows = [number for number, row in self.rows.items() if row.begin_at <= now]
        self.end.send(
            wire.Progress(
                phase,
                steps=self.steps,
                running=len(self.rows),
                taken=self.taken,
                has=list(self.rows),
                rows=rows,
            )
        )

    def take(self, frame: wire.Down) -> None:
        if isinstance(frame, wire.Submit):
            self.submit(frame)
        elif isinstance(frame, wire.Embed):
            self.embed(frame)
        elif isinstance(frame, wire.Cancel):
            self.rows.pop(frame.id, None)
        elif isinstance(frame, wire.Drain):
            self.draining = not self.args.ignore_drain
        elif not self.args.ignore_stop:
            os._exit(0)

    def submit(self, submit: wire.Submit) -> None:
        self.taken += 1
        made = script(submit.input, self.args.script)
        if made.deaf:
            self.deaf.set()
        if made.refuse:
            blame, code = made.refuse
            told = f"the fake engine refused: {blame} {code}".strip()
            param = "messages" if blame == "client" else None
            self.end.send(wire.Failed(submit.id, blame, told, param, code or None))  # type: ignore[arg-type]
        elif made.prompt_tokens > self.args.context:
            told = f"{made.prompt_tokens} tokens are over the context of {self.args.context}"
            code = "context_length_exceeded"
            self.end.send(wire.Failed(submit.id, "client", told, "messages", code))
        else:
            self.rows[submit.id] = Row(submit, made)

    def embed(self, embed: wire.Embed) -> None:
        inputs = [
            one.text if isinstance(one, wire.Text) else " ".join(map(str, one.ids))
            for one in embed.inputs
        ]
        tokens = sum(len(words(text)) for text in inputs)
        self.end.send(wire.Embedded(embed.id, [vector(text) for text in inputs], tokens))

    def misbehave(self, row: Row) -> bool:
        """Do the fault that is due; True if the row has no event for this step."""
        once = row.submit.resume
        due = {
            name.removesuffix("-once")
            for name, at in row.script.faults.items()
            if at == row.done and not (once and name.endswith("-once"))
        }
        if not due:
            return False
        if "die" in due:
            os.kill(os.getpid(), signal.SIGKILL)
        if "exit" in due:
            os._exit(3)
        if "stop-self" in due:
            os.kill(os.getpid(), signal.SIGSTOP)
        if "hang" in due:
            threading.Event().wait()
        if "malformed" in due:
            self.sock.sendall(struct.pack("<I", 5) + b"\xc1\xc1\xc1\xc1\xc1")
        if "half" in due:
            self.sock.sendall(struct.pack("<I", 500) + b"\x00" * 20)
            os._exit(0)
        if "stranger" in due:
            self.end.send(wire.Step([wire.Event(999_999_999, [1], "stranger")]))
        if "raise" in due:
            self.fail([row])
            return True
        if "raise-all" in due:
            self.fail(list(self.rows.values()))
            return True
        if "drop" in due:
            del self.rows[row.submit.id]
        return not due.isdisjoint(("lost", "drop"))

    def gives_way(self, row: Row) -> bool:
        if row.script.yields is None or row.script.yields[0] != row.done:
            return False
        row.begin_at = time.monotonic() + row.script.yields[1]
        row.script.yields = None
        return True

    def fail(self, rows: list[Row]) -> None:
        for row in rows:
            told = "RuntimeError: [matmul] the fake engine broke on purpose"
            self.end.send(wire.Failed(row.submit.id, "engine", told, traceback="Traceback …"))
            self.rows.pop(row.submit.id, None)

    def says(self, file: str, text: str) -> bool:
        try:
            return (Path(self.args.model) / file).read_text() == text
        except OSError:
            return False

    def holds(self, state: str) -> bool:
        return self.says(HELD, state)

    def held(self) -> bool:
        there = any(row.done == HELD_AT for row in self.rows.values())
        return self.holds("prefilling") or (there and self.holds("decoding"))

    def step(self) -> None:
        events = []
        now = time.monotonic()
        for row in list(self.rows.values()):
            if row.begin_at > now or self.gives_way(row) or self.misbehave(row):
                continue
            pieces, limit = row.script.pieces, row.submit.max_tokens
            if row.done >= len(pieces):
                events.append(row.event([2], None, last=True))
            else:
                piece = pieces[row.done]
                row.done += 1
                row.reasoning += piece.kind == "reasoning"
                last = limit is not None and row.done >= limit and row.done < len(pieces)
                events.append(row.event([piece.id], piece, last or row.done == len(pieces)))
            if events[-1].finish:
                del self.rows[row.submit.id]
        self.steps += 1
        if events:
            self.end.send(wire.Step(events))

    def run(self) -> None:
        threading.Thread(target=self.read, daemon=True, name="reader").start()
        self.load()
        self.progress()
        step_seconds = 1 / self.args.rate if self.args.rate else 0.0
        due = time.monotonic()
        while True:
            running = len(self.rows)
            self.take_all(wait=not self.rows)
            if self.rows and self.held():
                time.sleep(HELD_LOOK_S)
            elif self.rows:
                self.step()
                # Paced by the clock, not by pauses, so that a slow step is caught up.
                due = max(due + step_seconds, time.monotonic() - 1.0)
                waiting = all(row.begin_at > time.monotonic() for row in self.rows.values())
                time.sleep(
                    max(0.0, due - time.monotonic(), 0.002 if waiting and self.rows else 0.0)
                )
            else:
                due = time.monotonic()
            if running != len(self.rows) or time.monotonic() >= self.beat_at:
                self.progress()
            if self.draining and not self.rows:
                self.end.send(wire.Drained())
                self.draining = False

    def take_all(self, wait: bool) -> None:
        try:
            if wait:
                timeout = max(0.0, self.beat_at - time.monotonic())
                self.take(self.inbox.get(timeout=timeout))
            while True:
                self.take(self.inbox.get_nowait())
        except queue.Empty:
            return


def main() -> None:
    args = arguments()
    if args.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sock = socket.socket(fileno=args.fd)
    try:
        FakeEngine(args, wire.EngineEnd(sock), sock).run()
    except wire.ChannelClosed:
        sys.exit(0)


if __name__ == "__main__":
    main()
