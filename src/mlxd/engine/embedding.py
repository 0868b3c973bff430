"""An engine whose model makes vectors: whole inputs in, one vector each out."""

import logging
import os
import queue
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from mlxd.capabilities import is_for_vectors, repository_name
from mlxd.machine import backend, memory
from mlxd.wire import (
    Cancel,
    Down,
    Drain,
    Drained,
    Embed,
    Embedded,
    EngineEnd,
    Failed,
    Progress,
    Stop,
    Submit,
    Text,
)

from . import encoders, short, weights
from .backends.base import CannotLoad, Report, context_length, read_config, read_weights
from .scheduler import AGEING_SECONDS
from .step import BUSY_HEARTBEAT_SECONDS, IDLE_HEARTBEAT_SECONDS
from .text import Tokenizer

log = logging.getLogger(__name__)

# Tokens of one forward pass, padding counted: enough to fill a CPU's caches, short enough that a
# waiting chat's question is not kept for long.
PASS_TOKENS = 2048
# Inputs that are tokenised at a time, for the same reason.
READ_INPUTS = 64
# Each input without a vector puts its request off by this, so that a question goes before the
# thousand passages that came first, and they before what comes a minute later.
SECONDS_AN_INPUT = 0.05


def supports(folder: Path, config: dict[str, Any]) -> bool:
    """Whether the folder holds a model made for embeddings."""
    return is_for_vectors(repository_name(folder), os.listdir(folder), config)


class Encoder:
    """The model. Everything here runs on the step thread."""

    def __init__(self, folder: Path, policy: weights.Policy, report: Report) -> None:
        self.config = read_config(folder)
        from mlx_vlm.embedding_loader import load_embedding_model

        try:
            self.model = load_embedding_model(folder, lazy=True)
        except (ValueError, KeyError, TypeError, RuntimeError, ImportError, OSError) as error:
            raise CannotLoad(f"{folder} can't be loaded for embeddings: {error}") from error
        self.prepared = weights.prepare(self.model, policy, memory(), report)
        read_weights(self.model, report)
        if backend() == "cpu":
            encoders.install(self.model)
            short.install(self.model)
        self.context = context_length(self.config, folder)
        self.tokenizer = Tokenizer.load(folder)
        padding = self.config.get("pad_token_id")
        self._padding = padding if isinstance(padding, int) else 0

    def encode(self, rows: list[list[int]]) -> list[bytes]:
        width = max(len(row) for row in rows)
        ids = [row + [self._padding] * (width - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
        out = self.model(mx.array(ids), attention_mask=mx.array(mask))
        vectors = np.array(out.text_embeds.astype(mx.float32))
        if not np.isfinite(vectors).all():
            raise ArithmeticError("the model's vectors are not numbers: its weights are damaged")
        return [vector.astype("<f4").tobytes() for vector in vectors]


@dataclass(eq=False)
class _Task:
    asked: Embed
    arrived: float = field(default_factory=time.monotonic)
    rows: list[list[int]] = field(default_factory=list)
    vectors: dict[int, bytes] = field(default_factory=dict)

    @property
    def urgency(self) -> float:
        left = len(self.asked.inputs) - len(self.vectors)
        return self.arrived + AGEING_SECONDS * int(self.asked.priority) + SECONDS_AN_INPUT * left

    def next_pass(self) -> list[int]:
        """Indices of inputs of about one length, so that little is wasted on padding."""
        open_ = sorted(
            (i for i in range(len(self.rows)) if i not in self.vectors),
            key=lambda i: -len(self.rows[i]),
        )
        fit = max(1, PASS_TOKENS // len(self.rows[open_[0]]))
        return open_[:fit]


class _Signal(Enum):
    STOP = "end"


class EmbeddingEngine:
    def __init__(self, channel: EngineEnd, encoder: Encoder, report: Callable[[Progress], None]):
        self._channel = channel
        self._encoder = encoder
        self._report = report
        self._inbox: queue.SimpleQueue[Down | _Signal] = queue.SimpleQueue()
        self._tasks: list[_Task] = []
        self._draining = False
        self._steps = 0
        self._told = 0.0

    def warm_up(self) -> None:
        self._encoder.encode([[1, 2, 3]])

    def receive(self, frame: Down) -> None:
        """Called by the reader thread."""
        self._inbox.put(frame)

    def run(self) -> None:
        while True:
            if not self._take_in():
                return
            if self._tasks:
                self._go_on(min(self._tasks, key=lambda t: t.urgency))
            self._tell()

    def _take_in(self) -> bool:
        """False when told to stop."""
        while True:
            try:
                frame = self._inbox.get(block=not self._tasks, timeout=IDLE_HEARTBEAT_SECONDS)
            except queue.Empty:
                return True
            match frame:
                case Embed():
                    self._accept(frame)
                case Submit():
                    message = "this model makes embeddings; it generates no text"
                    self._channel.send(Failed(frame.id, "client", message, "model"))
                case Cancel():
                    self._tasks = [t for t in self._tasks if t.asked.id != frame.id]
                    self._say_drained()
                case Drain():
                    self._draining = True
                    self._say_drained()
                case Stop():
                    return False
            if self._inbox.empty():
                return True

    def _say_drained(self) -> None:
        if self._draining and not self._tasks:
            self._channel.send(Drained())

    def _accept(self, asked: Embed) -> None:
        if self._draining:
            self._channel.send(Failed(asked.id, "engine", "this engine is stopping"))
            return
        self._tasks.append(_Task(asked))

    def _go_on(self, task: _Task) -> None:
        if len(task.rows) < len(task.asked.inputs):
            self._read(task)
        else:
            self._one_pass(task)

    def _read(self, task: _Task) -> None:
        encoder, inputs = self._encoder, task.asked.inputs
        for place in range(len(task.rows), min(len(task.rows) + READ_INPUTS, len(inputs))):
            one = inputs[place]
            if isinstance(one, Text):
                row = encoder.tokenizer.encode(one.text, add_special=True)
            else:
                row = list(one.ids)
            if wrong := self._wrong(row):
                where = f"input[{place}]" if len(inputs) > 1 else "input"
                code = "context_length_exceeded" if len(row) > encoder.context else None
                self._end(task, Failed(task.asked.id, "client", wrong, where, code))
                return
            task.rows.append(row)

    def _wrong(self, row: list[int]) -> str:
        encoder = self._encoder
        if not row:
            return "the input is empty: there is nothing to make a vector of"
        if len(row) > encoder.context:
            return f"the input has {len(row)} tokens and this model takes {encoder.context}"
        size = encoder.tokenizer.vocabulary
        outside = next((t for t in row if not 0 <= t < size), None)
        if outside is not None:
            return f"token id {outside} is outside of the vocabulary (0 to {size - 1})"
        return ""

    def _one_pass(self, task: _Task) -> None:
        try:
            chosen = task.next_pass()
            vectors = self._encoder.encode([task.rows[i] for i in chosen])
        except Exception as error:  # whatever MLX raises belongs to this request
            log.error("request %d failed", task.asked.id, exc_info=error)
            message = str(error) or type(error).__name__
            self._end(
                task,
                Failed(task.asked.id, "engine", message, traceback=traceback.format_exc()),
            )
            return
        self._steps += 1
        task.vectors.update(zip(chosen, vectors, strict=True))
        if len(task.vectors) == len(task.rows):
            ordered = [task.vectors[i] for i in range(len(task.rows))]
            self._end(task, Embedded(task.asked.id, ordered, sum(map(len, task.rows))))

    def _end(self, task: _Task, last: Embedded | Failed) -> None:
        self._tasks.remove(task)
        self._channel.send(last)
        self._say_drained()

    def _tell(self) -> None:
        now = time.monotonic()
        if self._tasks and now - self._told < BUSY_HEARTBEAT_SECONDS:
            return
        self._told = now
        self._report(
            Progress(
                "decoding" if self._tasks else "idle",
                steps=self._steps,
                running=min(1, len(self._tasks)),
                waiting=max(0, len(self._tasks) - 1),
                memory=mx.get_active_memory(),
                peak_memory=mx.get_peak_memory(),
            )
        )
