"""A set of documents read while processes are killed, and what came of it."""

import random
import signal
import time
from collections.abc import Sequence

import httpx2
import psutil

from .papers import Paper, label
from .service import PATIENCE_S, Service

VICTIMS = ("desk", "gateway", "engine")


def documents(count: int) -> list[tuple[str, bytes]]:
    """Texts, and among them papers with a picture and a scanned page."""
    made = []
    for number in range(count):
        if number % 5 == 4:
            paper = Paper().text(f"Paper {number} describes the pump of hall {number}.")
            paper.picture(label(f"PUMP {4000 + number}")).page().scan(f"Scan {7000 + number}", 60)
            made.append((f"paper-{number}.pdf", paper.bytes()))
        else:
            sentences = [f"Text {number} has sentence {i} about topic {i * 7}." for i in range(40)]
            made.append((f"text-{number}.txt", " ".join(sentences).encode()))
    return made


def chunks(service: Service, ids: Sequence[str]) -> dict[str, list[str]]:
    """By name: ids of papers hold the time of their making."""
    made = {}
    for one in ids:
        name = service.get(f"/documents/{one}")["name"]
        made[name] = service.get(f"/documents/{one}/chunks")["children"]
    return made


def kill(service: Service, victim: str) -> None:
    """As the system does when memory runs out: at once, and nobody is asked."""
    if victim == "gateway":
        service.end(signal.SIGKILL)
        service.start()
        return
    process = service.desk() if victim == "desk" else service.engine()
    if process is not None:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            return


def disturbed(service: Service, ids: Sequence[str], kills: int, seed: int) -> tuple[int, int]:
    """Kill, each victim in turn; returns how often, and how often there was work to disturb."""
    dice = random.Random(seed)
    done = working = 0
    until = time.monotonic() + PATIENCE_S * 3
    while time.monotonic() < until:
        if done < kills:
            # A moment of no one's choosing is what this is about.
            time.sleep(dice.uniform(0.05, 1.5))
            working += not _all_read(service, ids)
            kill(service, VICTIMS[done % len(VICTIMS)])
            done += 1
        elif _all_read(service, ids):
            return done, working
        else:
            time.sleep(0.2)
    raise AssertionError(f"not all was read after {done} kills: {service.get('/jobs')}")


def _all_read(service: Service, ids: Sequence[str]) -> bool:
    try:
        counts = service.get("/jobs")["counts"]
        unfinished = any(counts.get(state) for state in ("queued", "running", "waiting"))
        return not unfinished and bool(ids)
    except (AssertionError, httpx2.TransportError):
        # It is being started again.
        return False
