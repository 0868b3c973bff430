"""Is the engine alive? Judged by its own progress, never by a socket that still answers."""

import msgspec

# Python and MLX imported from a cold, slow disk, before the first frame.
STARTING_LIMIT_S = 60.0
# While loading, a single read may be as long as the model over a slow network disk.
LOADING_BASE_S = 60.0
LOADED_BYTES_PER_S = 20e6
# The first step may compile kernels with the system's compiler.
WARMING_LIMIT_S = 180.0
# An idle engine beats every second or so; this many seconds without are no accident.
IDLE_LIMIT_S = 10.0
# A step's limit is this many times the longest step seen from this engine, never below the floor:
# a neighbour may take the cores for a while.
STEP_FACTOR = 4.0
STEP_FLOOR_S = 15.0
# Most towers look at a picture in one piece. The slowest seen: two busy cores without accelerator,
# which took 15 s for 430,000 pixels in a model of 18 million parameters.
SLOWEST_PIXELS_PER_S = 5e3
# Before any step was seen: 2 operations a parameter and token, one chunk of this many tokens, at
# the slowest arithmetic met in the field: quantised matmul on a CPU without BLAS, a small GPU.
FIRST_CHUNK_TOKENS = 512
SLOWEST_CPU_PER_S = 2e9
SLOWEST_GPU_PER_S = 4e11
# It says that it has nothing to do while it owes answers: they were lost in it. Pictures are
# decoded and grammars compiled beside the thread that reports, hence the patience.
LOST_LIMIT_S = 120.0
# The gateway itself was held up (suspended, SIGSTOP, a stolen core): its lateness is no evidence.
OWN_LATENESS_S = 1.0

STEPPING = ("prefilling", "decoding")


class Limits(msgspec.Struct, frozen=True):
    """Seconds; a tenth of everything in tests."""

    starting: float = STARTING_LIMIT_S
    loading: float = LOADING_BASE_S
    warming: float = WARMING_LIMIT_S
    idle: float = IDLE_LIMIT_S
    step_floor: float = STEP_FLOOR_S
    lost: float = LOST_LIMIT_S


DEFAULT_LIMITS = Limits()


class Pulse:
    def __init__(self, now: float, size_bytes: int, limits: Limits) -> None:
        self._limits = limits
        self._size_bytes = size_bytes
        self._operations_per_s = SLOWEST_CPU_PER_S
        self._parameters = size_bytes
        self._longest_step: float | None = None
        self._pixels = 0
        self.phase = "starting"
        self.last = now
        self.worked = now

    def beat(self, now: float, phase: str | None = None, pixels: int = 0) -> None:
        """A frame came; `phase` where it names one, `pixels` that it looks at next."""
        looked, self._pixels = self._pixels, pixels
        if self.phase in STEPPING and (phase is None or phase in STEPPING) and not looked:
            gap = now - self.last
            if self._longest_step is None or gap > self._longest_step:
                self._longest_step = gap
        if phase is not None:
            self.phase = phase
        elif self.phase == "idle":
            self.phase = "decoding"
        if self.phase != "idle":
            self.worked = now
        self.last = now

    def greeted(self, now: float, parameters: int, device: str) -> None:
        self._parameters = parameters
        if "cpu" not in device.lower():
            self._operations_per_s = SLOWEST_GPU_PER_S
        self.beat(now, "idle")

    def limit(self, *, busy: bool = False) -> float:
        """`busy`: it has work, whatever its last frame said before that arrived."""
        limits = self._limits
        match self.phase:
            case "starting":
                return limits.starting
            case "loading":
                return limits.loading + self._size_bytes / LOADED_BYTES_PER_S
            case "warming":
                return limits.warming + self._guess()
            case "idle" if not busy:
                return limits.idle
        looking = self._pixels / SLOWEST_PIXELS_PER_S
        if self._longest_step is None:
            return limits.step_floor + self._guess() + looking
        return max(limits.step_floor, STEP_FACTOR * self._longest_step) + looking

    def _guess(self) -> float:
        return 2 * self._parameters * FIRST_CHUNK_TOKENS / self._operations_per_s

    def deadline(self, *, busy: bool) -> float:
        silent = self.last + self.limit(busy=busy)
        # While it looks at pictures it does not say that it is idle.
        return min(silent, self.worked + self._limits.lost) if busy and not self._pixels else silent

    def excuse(self, now: float) -> None:
        self.last = self.worked = now

    def silence(self, now: float, *, busy: bool) -> str:
        if now < self.last + self.limit(busy=busy):
            return f"it has been idle for {now - self.worked:.1f} s while it owes answers"
        return (
            f"no sign of life for {now - self.last:.1f} s while {self.phase}"
            f" (its limit is {self.limit(busy=busy):.1f} s)"
        )
