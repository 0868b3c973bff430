"""Two desks, as of two machines, on one PostgreSQL: one queue, one index, each job done once."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .agent.upstream import Upstream
from .papers import Paper, label
from .service import Service, eventually

pytestmark = pytest.mark.timeout(600)

# Jobs of one machine.
AT_ONCE = 2
# Debian keeps the server's programs out of the way of everyday ones.
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def _programs() -> Path:
    found = shutil.which("initdb") or (str(DEBIAN[-1]) if DEBIAN else None)
    if found is None:
        pytest.skip("there is no PostgreSQL here (Debian: apt-get install postgresql)")
    return Path(found).resolve().parent


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A server of our own, reached by a socket in a folder of our own."""
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        data = folder / "data"
        # It refuses to run as root; there, another user of the system has to do.
        user = "nobody" if os.getuid() == 0 else None
        if user is not None:
            shutil.chown(folder, user)
            folder.chmod(0o755)
        init = [programs / "initdb", "-D", data, "-U", "mlxd", "-A", "trust", "--no-sync"]
        subprocess.run(init, check=True, capture_output=True, user=user)
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-w"]
        log = folder / "data" / "log"
        subprocess.run(
            [*control, "-o", options, "-l", log, "start"],
            check=True,
            capture_output=True,
            user=user,
        )
        try:
            yield f"postgresql+psycopg://mlxd@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, user=user)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@contextlib.contextmanager
def machine(folder: Path, name: str, database: str, **more: str) -> Iterator[Service]:
    service = Service(
        folder / name,
        MLXD_DOCUMENTS_DATABASE=database,
        MLXD_DOCUMENTS_STORE=str(folder / "store"),
        MLXD_DOCUMENTS_TAGS="off",
        MLXD_DOCUMENTS_WORKERS=str(AT_ONCE),
        **more,
    )
    try:
        yield service
    finally:
        if service.process.poll() is None:
            assert service.end() == 0


def test_two_machines_share_one_queue(folder: Path, database: str, upstream: Upstream) -> None:
    """More of them wait for a model elsewhere than one machine takes at a time."""
    files = [
        (f"note-{i}.txt", f"Note {i} is about the bird numbered {i}.".encode()) for i in range(24)
    ]
    signs = [
        (f"sign-{i}.pdf", Paper().picture(label(f"SIGN {i}")).bytes()) for i in range(AT_ONCE + 1)
    ]
    far = {"MLXD_REMOTES": upstream.setting(capabilities=["text", "vision"])}
    with (
        machine(folder, "one", database, **far) as one,
        machine(folder, "two", database, **far) as two,
    ):
        for service in (one, two):
            service.assign("vision", "far-waits")
            service.get("/jobs")
        taken = one.add(*signs)
        eventually(lambda: upstream.streaming == len(signs))
        upstream.go_on.set()
        held = two.finished(entry["job"] for entry in taken)
        assert {job["state"] for job in held} == {"done"}
        hosts = {job["worker"] for job in held}
        assert len(hosts) == 2, "one of the machines did all the work"
        taken = one.add(*files)
        jobs = two.finished(entry["job"] for entry in taken)
        assert [job["state"] for job in jobs] == ["done"] * len(files)
        assert {job["attempt"] for job in [*held, *jobs]} == {1}
        for service in (one, two):
            assert service.search("bird 17")[0]["document"]["name"] == "note-17.txt"
            counted = service.search("note", limit=100)
            assert len(counted) == len(files)


def test_what_a_lost_machine_had_begun_is_done_by_the_other(folder: Path, database: str) -> None:
    files = [(f"lost-{i}.txt", f"Lost note {i} about fish {i}.".encode() * 50) for i in range(12)]
    with machine(folder, "first", database) as first, machine(folder, "second", database) as second:
        second.get("/jobs")
        taken = first.add(*files)
        first.end(signal.SIGKILL)
        waiting = {entry["job"] for entry in taken}

        def over() -> bool:
            found = second.get("/jobs", limit=1000)["jobs"]
            return waiting <= {job["id"] for job in found if job["state"] == "done"}

        eventually(over)
        assert len(second.search("lost fish", limit=100)) == len(files)
