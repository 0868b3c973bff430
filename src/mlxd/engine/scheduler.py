"""Who goes next: pure decisions over the requests of one engine."""

from collections.abc import Sequence
from dataclasses import dataclass

from .job import Job

# A batch request that has waited this long counts as good as an interactive one that just came,
# so a steady stream of chat can delay background work but never starve it.
AGEING_SECONDS = 30.0
# A long prefill gives way to shorter ones for at most this long before its age wins.
PREFILL_PATIENCE_SECONDS = 10.0
# Background work shares the device in small portions while somebody chats, which is until so long
# after the last interactive request. A portion is what such a request may have to wait for.
COURTESY_SECONDS = 60.0
# Background work is not begun while somebody waits to be let in, but for no longer than this, as
# others may come without end.
GIVES_WAY_SECONDS = 0.2
# A request without max_tokens is let in with room for this many; more is found as it grows.
EXPECTED_ANSWER_TOKENS = 512


def urgency(job: Job) -> float:
    """Smaller goes first."""
    return job.arrived + (AGEING_SECONDS if job.batch_class else 0.0)


def expected_tokens(job: Job) -> int:
    """What a request is thought to hold in the KV cache at its end."""
    asked = job.submit.max_tokens is not None
    answer = job.left if asked else min(job.left, EXPECTED_ANSWER_TOKENS)
    return len(job.prompt) + len(job.generated) + answer


@dataclass(frozen=True)
class Room:
    """What is free. One slot is kept from batch requests, so that chat never waits for them."""

    slots: int
    tokens: int
    slots_in_all: int

    def takes(self, job: Job) -> bool:
        kept = 1 if job.batch_class and self.slots_in_all > 1 else 0
        return self.slots > kept and expected_tokens(job) <= self.tokens


def next_to_admit(waiting: Sequence[Job], room: Room) -> Job | None:
    """The most urgent request, if it fits. A request that waits for memory holds back those
    behind it of its own class, or small ones would keep it out for ever; a batch request never
    holds back an interactive one."""
    for job in sorted(waiting, key=urgency):
        if room.takes(job):
            return job
        if not job.batch_class:
            return None
    return None


def next_to_prefill(prefilling: Sequence[tuple[Job, int]], now: float) -> int:
    """Index of the prompt that gets the next chunk. `prefilling` pairs jobs with tokens left.

    Interactive before batch; within a class the one that is done soonest, so that a short
    request isn't stuck behind a long one, until the long one has waited long enough.
    """

    def order(index: int) -> tuple[bool, bool, float]:
        job, left = prefilling[index]
        waited = now - job.arrived
        batch = job.batch_class and waited < AGEING_SECONDS
        patient = waited < PREFILL_PATIENCE_SECONDS
        return batch, patient, left if patient else job.arrived

    return min(range(len(prefilling)), key=order)


@dataclass
class ChunkSizer:
    """How many prompt tokens one chunk may take, and when; learnt from the chunks so far.

    While streams run, a chunk may take `stall_factor` times a decode step, so their gaps stay
    under three steps, or `pause_seconds`, which nobody sees. What is longer than the former is
    paid back: that many steps go by before the next chunk, so the streams keep their share of the
    time. With none running a chunk may take `quiet_seconds`, which is also how long a
    cancellation or a new short request can have to wait. Prompts that end within the chunk may
    take `burst_seconds` and need not wait: their rows are worth a short pause.

    Background prompts take `courteous_seconds` or two decode steps at a time while somebody chats,
    and `background_seconds` otherwise: an interactive request that comes has to wait for the chunk
    that is under way.

    Sizes follow what the last chunk took: a token costs the more the longer its context is, so
    what was learnt far behind in a prompt says little.
    """

    most: int = 2048
    first: int = 256
    least: int = 8
    quiet_seconds: float = 0.5
    burst_seconds: float = 0.1
    pause_seconds: float = 0.05
    background_seconds: float = 0.1
    courteous_seconds: float = 0.012
    courteous_steps: float = 2.0
    stall_factor: float = 1.4
    decode_seconds: float = 0.0
    owed: float = 0.0
    _running: float = 64.0
    _quiet: float = 0.0
    _rate: float = 0.0

    def __post_init__(self) -> None:
        self._quiet = float(self.first)

    def size(self, running: bool) -> int:
        return self._bounded(self._running if running else self._quiet)

    def burst(self, running: bool) -> int:
        """The most tokens for prompts that all end within this chunk."""
        limit = self._pause() if running else self.quiet_seconds
        if not self._rate:
            return self._bounded(64.0)
        return self._bounded(max(limit, self.burst_seconds) * self._rate)

    def background(self, courteous: bool) -> int:
        """The most tokens of background prompts in one chunk."""
        if not self._rate:
            return self._bounded(64.0)
        courtesy = max(self.courteous_seconds, self.courteous_steps * self.decode_seconds)
        return self._bounded((courtesy if courteous else self.background_seconds) * self._rate)

    def pause(self, running: bool) -> float:
        """How long a piece of work that is not counted in tokens may take."""
        return self._pause() if running else self.quiet_seconds

    def _bounded(self, tokens: float) -> int:
        return max(self.least, min(self.most, int(tokens) // 8 * 8))

    def _pause(self) -> float:
        return max(self.stall_factor * self.decode_seconds, self.pause_seconds)

    @property
    def paid(self) -> bool:
        """Whether the running streams have had their share since the last chunk."""
        return self.owed <= 0.0

    def saw_chunk(self, tokens: int, seconds: float, running: bool = False) -> None:
        self.saw_pause(seconds, running)
        rate = tokens / seconds
        self._rate = rate if not self._rate else 0.7 * self._rate + 0.3 * rate
        if running:
            self._running = self._next(self._running, tokens, self._pause() * rate)
        else:
            self._quiet = self._next(self._quiet, tokens, self.quiet_seconds * rate)

    def saw_pause(self, seconds: float, running: bool) -> None:
        owed = seconds / self.stall_factor - self.decode_seconds
        self.owed = max(self.owed, 0.0) + owed if running else 0.0

    def _next(self, size: float, tokens: int, fitting: float) -> float:
        """Towards what would have fitted, by half or double at the most. The short end of a
        prompt says only whether less fits."""
        if tokens < size / 2 and fitting > size:
            return size
        return max(float(self.least), min(float(self.most), size * 2, max(size / 2, fitting)))

    def saw_decode(self, seconds: float) -> None:
        self.owed -= seconds
        old = self.decode_seconds
        self.decode_seconds = seconds if not old else 0.8 * old + 0.2 * seconds


def group(prefilling: Sequence[tuple[Job, int]], first: int, most: int) -> list[int]:
    """Indices of the prompts that can be run to their ends together with `first`, in one padded
    chunk of at most `most` tokens. Those of other length only where little padding is wasted."""
    chosen, widest = [first], prefilling[first][1]
    by_length = sorted(range(len(prefilling)), key=lambda i: abs(prefilling[i][1] - widest))
    for index in by_length:
        job, left = prefilling[index]
        if index == first or not left or job.batch_class != prefilling[first][0].batch_class:
            continue
        width = max(widest, left)
        used = left + sum(prefilling[i][1] for i in chosen)
        area = width * (len(chosen) + 1)
        if area <= most and used * 2 >= area:
            chosen.append(index)
            widest = width
    return chosen
