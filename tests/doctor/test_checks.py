"""What each check makes of a machine that is so or so. Real processes, real files."""

import base64
import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.processes import beneath, left

from mlxd.doctor.checks import backends, certificates, leftovers, models, remotes, versions
from mlxd.doctor.child import ask
from mlxd.doctor.examination import LOOKING, MEASURING, NAMES, load
from mlxd.doctor.finding import Case, Status
from mlxd.doctor.hints import ours
from mlxd.remotes import RemoteSettings
from mlxd.settings import Settings
from mlxd.supervisor.record import Mark, RunFile, mark

from .conftest import Doctor

ROOT = Path(__file__).parents[2]


def case(data_dir: Path, **environ: str) -> Case:
    return Case(settings=Settings(data_dir=data_dir), environ=environ)


def test_every_module_is_a_check_and_has_its_place() -> None:
    folder = ROOT / "src" / "mlxd" / "doctor" / "checks"
    assert sorted(NAMES) == sorted(f.stem for f in folder.glob("[a-z]*.py"))
    assert len(NAMES) == len(set(LOOKING) | set(MEASURING))
    for name in NAMES:
        check = load(name)
        assert check.TITLE
        assert check.WHY.endswith(".")


def test_help_names_every_check() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "mlxd", "doctor", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=250,
    )
    told = set(
        re.findall(r"[a-z]+", made.stdout.partition("Checks:")[2].partition("Exit codes")[0])
    )
    assert set(NAMES) <= told


def test_every_check_is_described() -> None:
    page = (ROOT / "docs" / "how" / "doctor.md").read_text(encoding="utf-8")
    assert not [name for name in NAMES if f"`{name}`" not in page]


def test_a_healthy_machine_is_found_so(doctor: Doctor) -> None:
    found = doctor()
    assert found.code == 0, found.report
    assert found.checks.keys() == set(NAMES)
    assert found["bundled"]["status"] == "ok"
    assert found["device"]["status"] == "ok"
    assert found["models"]["status"] == "ok"


def test_what_was_tested_is_what_is_locked() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    locked = {one["name"]: one.get("version") for one in lock["package"]}
    assert {name: locked[name] for name in versions.tested()} == versions.tested()


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ({"mlx-vlm": "0.3.4"}, "swallowed"),
        ({"mlx-vlm": "0.3.10"}, "swallowed"),
        ({"mlx-vlm": "0.3.11"}, ""),
        ({"mlx-vlm": "0.3.1"}, ""),
        ({"mlx-lm": "0.31.3", "transformers": "5.13.0"}, "imported"),
        ({"mlx-lm": "0.31.3", "transformers": "5.12.1"}, ""),
        ({"mlx": "0.26.5"}, "without its library"),
        ({"mlx": "0.32.4", "mlx-lm": "0.32.2", "mlx-vlm": "0.7.10"}, ""),
    ],
    ids=str,
)
def test_known_defects_are_those_of_their_versions(there: dict[str, str], told: str) -> None:
    found = [one.what for one in versions.matching(there)]
    assert bool(found) == bool(told)
    assert all(told in one for one in found)


class Wheels:
    """Packages as their records say, over real files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = folder / "libmlx.so"
        self.packages: dict[str, Any] = {}

    def add(self, name: str, content: bytes, *, install: bool) -> None:
        if install:
            self.library.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        file = SimpleNamespace(name="libmlx.so", hash=SimpleNamespace(value=digest))
        self.packages[name] = SimpleNamespace(
            version="0.32.4", files=[file], locate_file=lambda file: self.folder / file.name
        )

    def distribution(self, name: str) -> Any:
        if name not in self.packages:
            raise importlib.metadata.PackageNotFoundError(name)
        return self.packages[name]


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheels:
    made = Wheels(tmp_path)
    monkeypatch.setattr(importlib.metadata, "distribution", made.distribution)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: made.distribution(name).version)
    return made


@pytest.mark.parametrize(("driver", "kept"), [(True, "mlx-cuda-13"), (False, "mlx-cpu")])
def test_two_backends_are_told_apart_by_the_file(
    wheels: Wheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: bool, kept: str
) -> None:
    """The one stays that the machine can use, whichever was installed last."""
    monkeypatch.setattr(backends, "DRIVER_FILE", tmp_path if driver else tmp_path / "none")
    wheels.add("mlx-cpu", b"for the cpu", install=True)
    assert backends.look(case(tmp_path)).status is Status.OK
    wheels.add("mlx-cuda-13", b"for the gpu", install=True)
    found = backends.look(case(tmp_path))
    assert found.status is Status.FAIL
    assert "that of mlx-cuda-13" in found.found
    # Where there is no pip yet, either step begins by bringing it.
    steps = found.mend[0].split("&&")
    away = next(step for step in steps if " uninstall " in step)
    back = next(step for step in steps if " install " in step)
    assert steps.index(away) < steps.index(back)
    gone = {"mlx-cuda-13", "mlx-cpu"} - {kept}
    assert gone.pop() in away
    assert kept in back


def test_a_library_that_nobody_brought_is_named(wheels: Wheels, tmp_path: Path) -> None:
    wheels.add("mlx-cpu", b"for the cpu", install=True)
    wheels.library.write_bytes(b"built by hand")
    assert backends.look(case(tmp_path)).status is Status.FAIL
    wheels.library.unlink()
    gone = backends.look(case(tmp_path))
    assert gone.status is Status.FAIL
    assert "is gone" in gone.found


# --- leftovers ---------------------------------------------------------------------------------


@pytest.fixture
def orphan(home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """An engine of ours, by the record of a service that is gone."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True
    )
    known = mark(process.pid, "engine of tiny")
    assert known is not None
    gone = Mark(2**22 - 7, "long ago", known.boot)
    folder = home / "data" / "run"
    folder.mkdir(parents=True)
    import msgspec

    (folder / "1.json").write_bytes(msgspec.json.encode(RunFile(gone, [known])))
    yield process
    process.kill()
    process.wait()


def test_leftovers_are_named_and_ended_when_asked(
    doctor: Doctor, orphan: "subprocess.Popen[bytes]"
) -> None:
    found = doctor("leftovers")["leftovers"]
    assert found["status"] == "warn"
    assert str(orphan.pid) in found["found"]
    assert orphan.poll() is None, "looking must not end anything"
    fixed = doctor("leftovers", arguments=("--fix", "--yes"))
    assert fixed["leftovers"]["status"] == "ok"
    assert orphan.wait(60) == -signal.SIGTERM
    assert str(orphan.pid) in fixed.stderr


def test_nothing_is_fixed_without_being_asked(
    doctor: Doctor, orphan: "subprocess.Popen[bytes]"
) -> None:
    """No terminal to ask at, and no --yes."""
    fixed = doctor("leftovers", arguments=("--fix",))
    assert fixed["leftovers"]["status"] == "warn"
    assert "left as it is" in fixed.stderr
    assert orphan.poll() is None


def test_a_process_that_is_not_ours_is_left_alone(home: Path, tmp_path: Path) -> None:
    """The number is that of a living process, and the time when it started is not."""
    known = mark(os.getpid(), "engine")
    assert known is not None
    gone = Mark(2**22 - 7, "long ago", known.boot)
    other = Mark(known.pid, "another time", known.boot, "engine")
    folder = tmp_path / "data" / "run"
    folder.mkdir(parents=True)
    import msgspec

    (folder / "1.json").write_bytes(msgspec.json.encode(RunFile(gone, [other])))
    left = leftovers.find(tmp_path / "data")
    assert not left.engines
    assert len(left.records) == 1


def test_a_damaged_cache_is_removed_and_made_again(doctor: Doctor, home: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("nothing is kept there on this system")
    doctor("device")
    kept = list((home / "cache" / "mlxd" / "native").glob("lib*.so"))
    if not kept:
        pytest.skip("nothing had to be made on this machine")
    kept[0].write_bytes(kept[0].read_bytes()[:-100])
    assert kept[0].name in doctor("leftovers")["leftovers"]["found"]
    fixed = doctor("leftovers", arguments=("--fix", "--yes"))
    assert fixed["leftovers"]["status"] == "ok"
    assert not kept[0].exists()


# --- the others --------------------------------------------------------------------------------


def test_a_stale_certificate_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "certificates" / "pilot"
    folder.mkdir(parents=True)
    held = {"model": "pilot", "versions": {"mlx": "0.1.0", "driver": "unknown here"}}
    (folder / "cpu.json").write_text(json.dumps(held))
    found = certificates.look(case(tmp_path))
    assert found.status is Status.WARN
    assert "mlx was 0.1.0" in found.found
    assert found.mend == [ours("smoke", "--model", "pilot")]


def test_a_template_that_leaves_the_user_out_is_named(tiny: Path, tmp_path: Path) -> None:
    import shutil

    for name, template in (
        ("silent", "{{ 'nothing of what was said' }}"),
        ("broken", "{% for message in messages %}"),
    ):
        folder = tmp_path / name
        shutil.copytree(tiny, folder)
        (folder / "chat_template.jinja").write_text(template)
        settings = Settings(data_dir=tmp_path / "data", models=[_model(folder)])
        found = models.look(Case(settings=settings))
        assert found.status is Status.FAIL, found
        assert "template" in found.found


def _model(folder: Path) -> Any:
    from mlxd.settings import ModelSettings

    return ModelSettings(name=str(folder))


def test_a_model_of_a_remote_is_not_looked_for_here(tmp_path: Path) -> None:
    from mlxd.supervisor.store import Assigned, Store

    Store(tmp_path).assign([Assigned("text", "big")])
    remote = RemoteSettings(
        name="farm", url="http://127.0.0.1:9/v1", models={"big": "big-1"}, key_env="FARM_KEY"
    )
    there = Settings(data_dir=tmp_path, remotes=[remote])
    found = models.look(Case(settings=there, environ={}))
    assert found.status is Status.OK
    assert "all are of remotes" in found.found
    keyless = remotes.look(Case(settings=there, environ=dict(os.environ)))
    assert keyless.status is Status.WARN
    assert "FARM_KEY" in keyless.found
    silent = remotes.look(Case(settings=there, environ={**os.environ, "FARM_KEY": "secret-1"}))
    assert silent.status is Status.WARN
    assert silent.mend == ["curl -I http://127.0.0.1:9/v1/models"]
    assert "secret-1" not in str(silent)


def test_a_damaged_database_is_moved_away(
    doctor: Doctor, home: Path, environment: dict[str, str]
) -> None:
    (home / "data").mkdir()
    (home / "data" / "mlxd.db").write_bytes(b"this is no database at all" * 100)
    found = doctor("folders")["folders"]
    assert found["status"] == "fail"
    subprocess.run(["/bin/sh", "-ec", found["mend"][0]], env=environment, check=True)
    assert doctor("folders")["folders"]["status"] == "ok"


@pytest.mark.parametrize("name", ["documents/documents.db", "agent/sessions.db"])
def test_a_damaged_database_of_the_desk_is_moved_away(
    doctor: Doctor, home: Path, environment: dict[str, str], name: str
) -> None:
    file = home / "data" / name
    file.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE kept (text)")
        database.executemany("INSERT INTO kept VALUES (?)", [("x" * 1000,)] * 200)
        database.commit()
    assert doctor("folders")["folders"]["status"] == "ok"
    content = bytearray(file.read_bytes())
    content[5000:90_000] = b"\xff" * 85_000
    file.write_bytes(content)
    found = doctor("folders")["folders"]
    assert found["status"] == "fail"
    assert str(file) in found["found"]
    subprocess.run(["/bin/sh", "-ec", found["mend"][0]], env=environment, check=True)
    assert doctor("folders")["folders"]["status"] == "ok"
    assert (home / "data" / f"{file.parent.name}.damaged" / file.name).read_bytes() == content


def test_a_damaged_index_is_moved_away(
    doctor: Doctor, home: Path, environment: dict[str, str]
) -> None:
    lancedb = pytest.importorskip("lancedb", reason="documents are an extra")
    index = home / "data" / "documents" / "index"
    rows = [{"id": f"one {number}", "text": "word " * 50} for number in range(500)]
    lancedb.connect(index).create_table("passages", rows)
    assert doctor("folders")["folders"]["status"] == "ok"
    (data,) = index.rglob("*.lance/data/*.lance")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 3])
    found = doctor("folders")["folders"]
    assert found["status"] == "fail", found
    assert str(index) in found["found"]
    subprocess.run(["/bin/sh", "-ec", found["mend"][0]], env=environment, check=True)
    assert doctor("folders")["folders"]["status"] == "ok"
    assert (home / "data" / "documents.damaged" / "index").is_dir()


def test_a_wrong_token_is_told_from_no_network(doctor: Doctor) -> None:
    import http.server
    import threading

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401 if "authorization" in self.headers else 200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Sat, 01 Jan 2050 00:00:00 GMT"

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        there = {"HF_HUB_OFFLINE": "", "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}"}
        there |= {"NO_PROXY": "*", "no_proxy": "*"}
        plain = doctor("hub", "clock", **there)
        token = doctor("hub", HF_TOKEN="hf_wrong", **there)["hub"]
        hub.shutdown()
    assert plain["hub"]["status"] == "ok"
    assert plain["clock"]["status"] == "warn"
    assert "behind" in plain["clock"]["found"]
    if sys.platform == "linux":
        # Looked at and not typed: it sets the clock of the whole machine.
        assert re.search(r'date -u -s "20(49-12-31 23|50-01-01 00):', plain["clock"]["mend"][-1])
    assert token["status"] == "warn"
    assert "token" in token["found"]
    assert token["mend"][0] == "unset HF_TOKEN"


def test_a_child_that_crashes_or_hangs_is_an_answer(tmp_path: Path) -> None:
    """What `ask` calls is looked for among the checks, so the faults come by the environment."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys, time\n"
        "if 'mlxd.doctor.child' in ' '.join(sys.orig_argv):\n"
        "    if os.environ.get('FAULT') == 'crash': os.abort()\n"
        "    if os.environ.get('FAULT') == 'hang': time.sleep(600)\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    there = {**os.environ, "PYTHONPATH": path}
    crashed = ask("cuda:probe", {}, 20, there | {"FAULT": "crash"})
    assert crashed.value is None
    assert "SIGABRT" in crashed.failure
    hung = ask("cuda:probe", {}, 1, there | {"FAULT": "hang"})
    assert hung.value is None
    assert "no answer within 1 s" in hung.failure
    assert ask("cuda:probe", {"no": "such"}, 20, there).failure


def test_an_interrupt_ends_all_children_and_shows_what_was_found(
    environment: dict[str, str],
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mlxd", "doctor", "--json", "--only", "python,device,bundled"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (children := beneath(process.pid)):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said, told = process.communicate(timeout=250)
    assert process.returncode == 130, told
    assert json.loads(said)["interrupted"] is True
    assert left(children) == []


def test_a_command_of_ours_can_be_typed_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the environment's folder is not on the PATH, or another mlxd is."""
    beside = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{beside}{os.pathsep}/usr/bin:/bin")
    assert ours("models", "pull", "a b") == "mlxd models pull 'a b'"
    other = tmp_path / "mlxd"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    for path in ("/usr/bin:/bin", f"{tmp_path}:/usr/bin:/bin"):
        monkeypatch.setenv("PATH", path)
        told = subprocess.run(
            ["/bin/sh", "-c", ours("doctor", "--help")], capture_output=True, text=True, timeout=250
        )
        assert told.returncode == 0, told.stderr
        assert "Exit codes" in told.stdout


def test_an_unknown_check_is_a_mistake(environment: dict[str, str]) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "mlxd", "doctor", "--only", "horoscope"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert made.returncode == 2
    assert "There is no check 'horoscope'" in made.stderr


def test_the_table_has_the_command_that_mends_it(environment: dict[str, str]) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "mlxd", "doctor", "--only", "network"],
        env={**environment, "http_proxy": "http://proxy.example:3128", "NO_PROXY": ""},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert made.returncode == 0
    assert "warn" in made.stdout
    assert "export NO_PROXY=127.0.0.1,::1,localhost" in made.stdout
