"""A disk without room: answers go on, it is said, and all is well again once there is room."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.cli.service import Service, serving
from tests.processes import PATIENCE_S, POLL_S, beneath

from mlxd.supervisor.store import Store

from .harness import read, request, supervised


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Two MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"no disk of its own can be had here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Until not a single byte fits."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
        with contextlib.suppress(OSError):
            while True:
                file.write(b"\0")
    return path


def assign(service: Service, name: str | None) -> httpx2.Response:
    path = "/models/global_capability/reasoning"
    return httpx2.post(service.url + path, json={"model_id": name}, timeout=60)


def troubles(service: Service) -> str:
    return " ".join(httpx2.get(f"{service.url}/status", timeout=60).json()["troubles"])


def test_a_disk_that_fills_up_and_empties_again(tmp_path: Path, small_disk: Path) -> None:
    (small_disk / "data").mkdir()
    (tmp_path / "data").symlink_to(small_disk / "data")
    with serving(tmp_path, "--rate", "50") as service:
        service.wait_for("fake is ready")
        assert assign(service, "fake").status_code == 200
        filler = fill(small_disk)
        refused = assign(service, None)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "state_not_kept")
        told = troubles(service)
        assert "has 0 MB left" in told
        assert "mlxd.db" in told
        # Nothing that was refused has taken effect.
        path = "/models/global_capability/reasoning"
        assert httpx2.get(service.url + path, timeout=60).json()["model_id"] == "fake"
        # Answers come, and an engine that dies is replaced although its log has no room.
        assert service.chat("hello there").status_code == 200
        with service.stream("[[tokens 60]]") as answer:
            lines = answer.iter_lines()
            before = [next(lines) for _ in range(10)]
            service.engines()[0].kill()
            text = "".join([*before, *lines])
        assert [text.count(f'"w{i} "') for i in range(60)] == [1] * 60
        filler.unlink()
        assert assign(service, None).status_code == 200
        assert "mlxd.db" not in troubles(service)
        assert service.chat("hello again").status_code == 200
        log = service.data / "logs" / "gateway.log"
        size = log.stat().st_size
        service.engines()[0].kill()
        assert service.chat("and again").status_code == 200
        until = time.monotonic() + PATIENCE_S
        while log.stat().st_size == size:
            assert time.monotonic() < until
            time.sleep(POLL_S)
        assert service.end() == 0


def test_a_service_starts_on_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    (small_disk / "data" / "logs").mkdir(parents=True)
    (small_disk / "data" / "run").mkdir()
    (tmp_path / "data").symlink_to(small_disk / "data")
    fill(small_disk)
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        assert service.chat("hello there").status_code == 200
        assert "has 0 MB left" in troubles(service)
        assert service.end() == 0


def test_a_data_folder_that_is_only_read_costs_no_answer(tmp_path: Path, small_disk: Path) -> None:
    (small_disk / "data").mkdir()
    (tmp_path / "data").symlink_to(small_disk / "data")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        assert "data can't be written" in troubles(service)
        assert service.chat("hello there").status_code == 200
        refused = assign(service, None)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "state_not_kept")
        # It is not tried out whether the desk would start.
        documents = httpx2.get(f"{service.url}/documents", timeout=60)
        assert (documents.status_code, "can't be written" in documents.text) == (503, True)
        assert not beneath(service.process.pid, "mlxd.desk")
        service.engines()[0].kill()
        assert service.chat("hello again").status_code == 200
        assert service.end() == 0


async def test_what_an_engine_used_is_known_at_the_next_start(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (service, slot):
        assert await read(slot.generate(request("hello"))) == "hello"
        before = service._lifecycle.size(slot)
        slot.peak_now = before * 3
        assert service._lifecycle.size(slot) == before * 3
        key = (slot.entry.id, slot.entry.size_bytes)
    assert Store(tmp_path / "data").peaks() == {key: before * 3}
    (tmp_path / "fake").rename(tmp_path / "gone")
    async with supervised(tmp_path) as (service, slot):
        assert service._lifecycle.size(slot) == before * 3


def test_peaks_of_other_weights_are_another_models(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.note_peaks({("a", 10): 7})
    store.note_peaks({("a", 10): 5})
    assert store.peaks() == {("a", 10): 5}
    store.note_peaks({("a", 11): 3})
    assert store.peaks() == {("a", 11): 3}
