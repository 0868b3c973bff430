"""Runs the checks: side by side where they only look, one after the other where they measure."""

import importlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import msgspec

import mlxd

from . import child
from .finding import Case, Check, Finding, Report, Status

# In the order in which they are shown. What measures is disturbed by everything beside it.
LOOKING = (
    "settings",
    "python",
    "versions",
    "backends",
    "device",
    "metal",
    "cuda",
    "compiler",
    "memory",
    "container",
    "descriptors",
    "disk",
    "temporary",
    "folders",
    "ports",
    "leftovers",
    "service",
    "network",
    "hub",
    "clock",
    "models",
    "remotes",
    "certificates",
)
MEASURING = ("blas", "products", "bundled")
NAMES = (*LOOKING, *MEASURING)
# They mostly wait: for a child process, for the network.
AT_ONCE = 4

Told = Callable[[Finding], None]


class UnknownCheck(LookupError):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no check {name!r}. There are: {', '.join(NAMES)}.")


def chosen(only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[str, ...]:
    only, skip = set(only), set(skip)
    for name in sorted(only | skip):
        if name not in NAMES:
            raise UnknownCheck(name)
    return tuple(name for name in NAMES if (not only or name in only) and name not in skip)


def load(name: str) -> Check:
    return importlib.import_module(f"mlxd.doctor.checks.{name}")  # type: ignore[return-value]


class Examination:
    """`began` and `told` are called, from the thread that runs `run`, as checks begin and end."""

    def __init__(
        self,
        case: Case,
        names: Sequence[str] = NAMES,
        *,
        told: Told = lambda finding: None,
        waiting: Callable[[Sequence[str]], None] = lambda names: None,
    ) -> None:
        self.case = case
        self.names = names
        self.findings: dict[str, Finding] = {}
        self._told = told
        self._waiting = waiting
        self._began = time.monotonic()
        self._at = time.time()

    def run(self) -> Report:
        try:
            self._side_by_side([name for name in self.names if name in LOOKING])
            for name in self.names:
                if name in MEASURING:
                    self._waiting([name])
                    self._keep(examine(self.case, name))
        except BaseException:
            child.end_all()
            raise
        return self.report()

    def report(self, *, interrupted: bool = False) -> Report:
        """Of what was found so far."""
        found = [self.findings[name] for name in self.names if name in self.findings]
        counts = {str(one): sum(f.status is one for f in found) for one in Status}
        worst = next((s for s in (Status.FAIL, Status.WARN) if counts[s]), Status.OK)
        return Report(
            version=mlxd.__version__,
            status=worst,
            counts=counts,
            checks=found,
            at=self._at,
            seconds=round(time.monotonic() - self._began, 2),
            interrupted=interrupted,
        )

    def _side_by_side(self, names: Sequence[str]) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check") as pool:
            running: dict[Future[Finding], str] = {
                pool.submit(examine, self.case, name): name for name in names
            }
            try:
                while running:
                    self._waiting([*running.values()])
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        del running[future]
                        self._keep(future.result())
            except BaseException:
                child.end_all()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _keep(self, finding: Finding) -> None:
        self.findings[finding.name] = finding
        self._told(finding)


def examine(case: Case, name: str) -> Finding:
    began = time.monotonic()
    check = load(name)
    try:
        found = check.look(case)
    except Exception as error:  # noqa: BLE001 - one check's defect must not cost the others
        found = Finding(
            status=Status.WARN,
            found=f"this check itself failed: {type(error).__name__}: {error}",
        )
    return msgspec.structs.replace(
        found,
        name=name,
        title=check.TITLE,
        why=found.why or check.WHY,
        seconds=round(time.monotonic() - began, 3),
    )
