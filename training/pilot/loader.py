"""Worker processes that make batches, and the shared memory through which they arrive."""

import mmap
import multiprocessing as mp
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

SLOT_BYTES = 20 << 20
SLIPS = 3  # in a row that one worker may make: more is no chance
Batch = dict[str, np.ndarray]


def _write(slot: mmap.mmap, batch: Batch) -> list[tuple[str, str, tuple[int, ...], int]]:
    at, layout = 0, []
    for name, array in batch.items():
        array = np.ascontiguousarray(array)
        view = np.frombuffer(slot, np.uint8, array.nbytes, at)
        view[:] = array.view(np.uint8).reshape(-1)
        layout.append((name, str(array.dtype), array.shape, at))
        at += (array.nbytes + 63) // 64 * 64
    return layout


def _work(
    make: Callable[[str], Batch],
    seed: str,
    worker: int,
    slots: list[mmap.mmap],
    free: Any,
    full: Any,
) -> None:
    """Batches without end. A generator's rare slip costs a batch, not the hour; it is told of."""
    number = slips = 0
    while True:
        slot = free.get()
        try:
            layout = _write(slots[slot], make(f"{seed}/{worker}/{number}"))
        except Exception:
            slips += 1
            free.put(slot)
            if slips == SLIPS:
                full.put((-1, traceback.format_exc()))
                raise
            print(f"batch {seed}/{worker}/{number} can't be made", file=sys.stderr)
            traceback.print_exc()
        else:
            slips = 0
            full.put((slot, layout))
        number += 1


class Loader:
    """Batches of one kind from several processes; start it before CUDA is touched."""

    def __init__(
        self, make: Callable[[str], Batch], seed: str, workers: int, ahead: int = 2
    ) -> None:
        fork = mp.get_context("fork")
        count = workers * 2 + ahead
        self.slots = [mmap.mmap(-1, SLOT_BYTES) for _ in range(count)]
        self.free, self.full = fork.Queue(), fork.Queue()
        for i in range(count):
            self.free.put(i)
        self.ready: queue.Queue[dict[str, torch.Tensor]] = queue.Queue(maxsize=ahead)
        self.processes = [
            fork.Process(
                target=_work, args=(make, seed, w, self.slots, self.free, self.full), daemon=True
            )
            for w in range(workers)
        ]
        for process in self.processes:
            process.start()

    def _fetch(self, device: torch.device) -> dict[str, torch.Tensor]:
        slot, layout = self.full.get()
        if slot < 0:
            raise RuntimeError(f"a worker failed:\n{layout}")
        batch = {}
        for name, kind, shape, at in layout:
            array = np.frombuffer(self.slots[slot], kind, int(np.prod(shape)), at).reshape(shape)
            tensor = torch.from_numpy(array.copy())
            batch[name] = (
                tensor.pin_memory().to(device, non_blocking=True)
                if device.type == "cuda"
                else tensor
            )
        self.free.put(slot)
        return batch

    def batches(self, device: torch.device) -> Iterator[dict[str, torch.Tensor]]:
        """Endless batches, copied to the device while the last one is being trained on."""
        failure: list[BaseException] = []

        def run() -> None:
            try:
                while True:
                    self.ready.put(self._fetch(device))
            except BaseException as reason:
                failure.append(reason)

        threading.Thread(target=run, daemon=True).start()
        while True:
            try:
                yield self.ready.get(timeout=60)
            except queue.Empty:
                raise RuntimeError(f"no batch for a minute: {failure}") from None

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
