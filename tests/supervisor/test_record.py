import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.processes import PATIENCE_S

from mlxd.settings import LoggingSettings
from mlxd.supervisor import record
from mlxd.supervisor.launch import log_file, log_tail, rotate
from mlxd.supervisor.owners import port_owner
from mlxd.supervisor.record import Mark, RunFile

SLEEP = [sys.executable, "-c", "import sys, time; print(1, flush=True); time.sleep(60)"]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def gone_gateway() -> Mark:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return Mark(process.pid, "1", "another boot")


def write(folder: Path, file: RunFile) -> Path:
    path = folder / "run" / f"{file.gateway.pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(file))
    return path


@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_dead_gateway_left_is_ended(
    tmp_path: Path,
    sleeper: "subprocess.Popen[bytes]",
    stopped: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record, "LEFTOVER_GRACE_S", 0.2)
    if stopped:
        os.kill(sleeper.pid, signal.SIGSTOP)
    mark = record.mark(sleeper.pid, "tiny")
    assert mark is not None
    path = write(tmp_path, RunFile(gone_gateway(), [mark]))
    assert record.end_leftovers(tmp_path) == [mark]
    assert sleeper.wait(PATIENCE_S) in (-signal.SIGTERM, -signal.SIGKILL)
    assert not path.exists()


def test_a_stranger_with_the_same_number_is_left_alone(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    mark = record.mark(sleeper.pid)
    assert mark is not None
    later = msgspec.structs.replace(mark, started=mark.started + "1")
    elsewhere = msgspec.structs.replace(mark, boot="another boot")
    write(tmp_path, RunFile(gone_gateway(), [later, elsewhere]))
    assert record.end_leftovers(tmp_path) == []
    assert sleeper.poll() is None


def test_a_living_gateways_engines_are_left_alone(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    mark, own = record.mark(sleeper.pid), record.mark(os.getpid())
    assert mark is not None
    assert own is not None
    path = write(tmp_path, RunFile(own, [mark], url="http://127.0.0.1:1"))
    assert record.end_leftovers(tmp_path) == []
    assert sleeper.poll() is None
    assert path.exists()
    assert [file.url for file in record.living_gateways(tmp_path)] == ["http://127.0.0.1:1"]


def test_a_damaged_record_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "7.json").write_text("{")
    assert record.end_leftovers(tmp_path) == []


def test_the_owner_of_a_port_is_named() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        owner = port_owner(sock.getsockname()[1])
    assert owner is not None
    assert owner.pid == os.getpid()
    assert "python" in owner.command


def test_a_log_is_rotated_under_a_running_writer(tmp_path: Path) -> None:
    file = log_file(tmp_path, "org/na me")
    file.parent.mkdir()
    settings = LoggingSettings(file_bytes=100, files=2)
    with file.open("ab", buffering=0) as writer:
        for i in range(5):
            writer.write(f"line {i} {'x' * 100}\n".encode())
            rotate(file, settings)
        writer.write(b"the last\n")
    assert log_tail(file) == ["the last"]
    assert sorted(p.name for p in file.parent.iterdir()) == [file.name, f"{file.name}.1"]
