"""Puts an engine together: loads the model, warms it up, and connects the threads."""

import contextlib
import importlib.metadata
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import mlx.core as mx
import msgspec

from mlxd import __version__
from mlxd.machine import backend as device_kind
from mlxd.machine import memory
from mlxd.wire import Down, EngineEnd, Failed, Hello, Progress, Sampling

from . import attention, backends, embedding
from .backends.base import read_config
from .embedding import EmbeddingEngine, Encoder
from .engine import Engine, Jobs, tell_ended
from .job import Job
from .prepare import Bounds, Preparer
from .settings import Settings
from .step import Limits, Signal, Stepper
from .text import Style, Template, Tokenizer
from .weights import Policy
from .writer import Writer

# Rows in one batch: past this a step on a CPU takes so long that streams feel slow.
CPU_ROWS, ACCELERATOR_ROWS = 16, 64
# Prompt tokens of a chunk before it is known how fast this model reads here.
CPU_FIRST_CHUNK, ACCELERATOR_FIRST_CHUNK = 256, 512
# Of the memory that is left once the model is loaded, what requests may hold.
KV_SHARE = 0.6
# Of what requests may hold, what finished ones may keep for the next turn of a conversation.
PREFIX_SHARE = 0.4
# It is no use to keep more than a few whole conversations, and on a machine that others use too,
# no more than this part of its memory.
PREFIX_CONTEXTS = 4
PREFIX_SHARE_OF_MACHINE = 1 / 16
# State of fixed size does not grow with the context; this holds a few dozen of it.
PREFIX_LEAST = 256 << 20
# MLX's store of freed buffers, of the memory left: enough for reuse, not so much as to hoard. On a
# CPU what a step frees is soon had again from the C library, and attention over a long prompt frees
# blocks of ever new sizes, which no later one fits into: of 6,000 tokens 2 GB were kept.
REUSE_SHARE = 0.1
CPU_REUSE_BYTES = 256 << 20


class Loaded(Protocol):
    """What the process runs: fed by the reader thread, running on the step thread."""

    def receive(self, frame: Down) -> None: ...
    def run(self) -> None: ...


@dataclass
class Assembled:
    engine: Loaded
    hello: Hello


def assemble(
    channel: EngineEnd, folder: Path, settings: Settings, notes: list[str], began: float
) -> Assembled:
    def loading(done: int, total: int) -> None:
        channel.send(Progress("loading", done=done, total=total))

    policy: Policy = settings.weights  # type: ignore[assignment]  # checked by the gateway
    if device_kind() == "cpu":
        attention.install()
    if embedding.supports(folder, read_config(folder)):
        return _embedding(channel, Encoder(folder, policy, loading), notes, began)
    model = backends.load(folder, policy, loading)
    return _generating(channel, folder, model, settings, notes, began)


def _embedding(channel: EngineEnd, encoder: Encoder, notes: list[str], began: float) -> Assembled:
    engine = EmbeddingEngine(channel, encoder, channel.send)
    channel.send(Progress("warming"))
    engine.warm_up()
    hello = Hello(
        pid=os.getpid(),
        versions=_versions(),
        device=_device(),
        architecture=str(encoder.config["model_type"]),
        context=encoder.context,
        vocabulary=encoder.tokenizer.vocabulary,
        parameters=encoder.prepared.parameters,
        bytes_per_token=0,
        kv_budget=0,
        capabilities=["embedding"],
        dtype=encoder.prepared.dtype,
        load_seconds=time.monotonic() - began,
        notes=notes + encoder.prepared.notes,
    )
    return Assembled(engine, hello)


def _generating(
    channel: EngineEnd,
    folder: Path,
    model: backends.Backend,
    settings: Settings,
    notes: list[str],
    began: float,
) -> Assembled:
    tokenizer = Tokenizer.load(folder)
    template = Template.load(folder, tokenizer)
    images, blind = _image_reader(folder, model, tokenizer, settings)
    notes += [f"images can't be used: {blind}"] if blind else []
    limits = _limits(settings)
    reuse = int(_room() * REUSE_SHARE)
    mx.set_cache_limit(min(reuse, CPU_REUSE_BYTES) if device_kind() == "cpu" else reuse)

    jobs = Jobs()

    def stopped(job: Job) -> None:
        job.cancelled = True
        stepper.inbox.put(Signal.WAKE)

    def refused(job: Job, failed: Failed) -> None:
        channel.send(failed)
        tell_ended(channel, jobs, job.id)

    def report(progress: Progress) -> None:
        taken, has = jobs.census()
        channel.send(msgspec.structs.replace(progress, taken=taken, has=has))

    writer = Writer(channel, tokenizer, stopped, lambda job: tell_ended(channel, jobs, job.id))
    stepper = Stepper(model, writer, limits, report)
    channel.send(Progress("warming"))
    stepper.warm_up()
    if settings.prefix_bytes is None:
        most = PREFIX_CONTEXTS * model.context * stepper.bytes_per_token
        machine = int(memory().total * PREFIX_SHARE_OF_MACHINE)
        stepper.prefix.budget = min(limits.prefix_bytes, machine, max(most, PREFIX_LEAST))
    preparer = Preparer(
        tokenizer,
        template,
        Style.infer(template, tokenizer),
        images,
        _defaults(folder),
        Bounds(model.context, model.vocabulary, stepper.kv_tokens),
        stepper.inbox.put,
        refused,
        lambda: jobs.any,
        blind,
    )
    writer.start()
    preparer.start()
    hello = Hello(
        pid=os.getpid(),
        versions=_versions(),
        device=_device(),
        architecture=model.architecture,
        context=model.context,
        vocabulary=model.vocabulary,
        parameters=model.parameters,
        bytes_per_token=stepper.bytes_per_token,
        kv_budget=limits.kv_bytes,
        capabilities=_capabilities(template, images is not None),
        dtype=model.prepared.dtype,
        load_seconds=time.monotonic() - began,
        sampling_defaults=_defaults(folder),
        notes=notes + model.prepared.notes,
    )
    return Assembled(Engine(channel, jobs, preparer, stepper), hello)


def _image_reader(
    folder: Path, model: backends.Backend, tokenizer: Tokenizer, settings: Settings
) -> tuple[backends.ImageReader | None, str]:
    """What reads images; or why a model that could see them doesn't."""
    if not model.has_vision:
        return None, ""
    try:
        return backends.image_reader(folder, model.config, tokenizer, settings.pixel_limit), ""
    except backends.CannotLoad as error:
        return None, str(error)


def _capabilities(template: Template, vision: bool) -> list[str]:
    found = ["text", "structured_output"]
    if vision:
        found.append("vision")
    if template.renders_tools:
        found.append("tool_use")
    return found


def _room() -> int:
    """Memory that requests could take now, on the device that computes."""
    if device_kind() == "cpu":
        return memory().available
    info = mx.device_info()
    if "free_memory" in info:  # CUDA: others may use the card too
        return int(info["free_memory"])
    metal = info.get("max_recommended_working_set_size") or info.get("memory_size") or 0
    return max(int(metal) - mx.get_active_memory(), 0)


def _limits(settings: Settings) -> Limits:
    kv_bytes = settings.kv_bytes if settings.kv_bytes is not None else int(_room() * KV_SHARE)
    prefix = settings.prefix_bytes
    rows = CPU_ROWS if device_kind() == "cpu" else ACCELERATOR_ROWS
    return Limits(
        rows=settings.rows or rows,
        kv_bytes=kv_bytes,
        prefix_bytes=prefix if prefix is not None else int(kv_bytes * PREFIX_SHARE),
        prefill_chunk=settings.prefill_chunk,
        first_chunk=CPU_FIRST_CHUNK if device_kind() == "cpu" else ACCELERATOR_FIRST_CHUNK,
    )


def _defaults(folder: Path) -> Sampling:
    """What the model's makers recommend, where they say so."""
    try:
        found = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Sampling()
    greedy = found.get("do_sample") is False
    return Sampling(
        temperature=0.0 if greedy else _number(found, "temperature"),
        top_p=_number(found, "top_p"),
        top_k=found.get("top_k") if isinstance(found.get("top_k"), int) else None,
        min_p=_number(found, "min_p"),
    )


def _number(found: dict[str, Any], name: str) -> float | None:
    value = found.get(name)
    return float(value) if isinstance(value, (int, float)) else None


def _versions() -> dict[str, str]:
    named = {"mlxd": __version__, "python": platform.python_version()}
    for package in ("mlx", "mlx-lm", "mlx-vlm"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            named[package] = importlib.metadata.version(package)
    return named


def _device() -> str:
    kind = device_kind()
    name = mx.device_info().get("device_name") or platform.processor() or platform.machine()
    return f"{kind}: {name}"
