"""What a person sees in a terminal: a real one, a real hub on this machine, real processes."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.fakes.hub import FakeHub, running
from tests.processes import PATIENCE_S, beneath
from tests.terminal import Terminal

from mlxd.catalog.catalogue import pilot_path

from .test_pull import NAME, small

MLXD = (sys.executable, "-m", "mlxd")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running() as started:
        yield started


@pytest.fixture
def environment(hub: FakeHub, tmp_path: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLXD_", "HF_"))}
    return {
        **inherited,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": hub.url,
        "MLXD_DATA_DIR": str(tmp_path / "data"),
        "MLXD_SERVER_PORT": "0",
        "TERM": "xterm",
        "COLUMNS": "120",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def mlxd(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*MLXD, *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=200,
    )


def test_a_download_has_a_bar_that_ends_with_it(
    hub: FakeHub, environment: dict[str, str], tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path, 2_000_000))
    # One step of the bar after the other, each once the one before it was seen.
    hub.switches.stays_at = 500_000
    terminal = Terminal([*MLXD, "models", "pull", NAME], environment)
    terminal.until("25 %")
    hub.switches.rate, hub.switches.stays_at = 500_000, 1_500_000
    terminal.until("MB/s")
    terminal.until("left")
    terminal.until("75 %")
    hub.switches.stays_at = None
    assert terminal.ended() == 0
    shown = [int(one) for one in re.findall(r"(\d+) %", terminal.whole)]
    assert shown == sorted(shown)
    assert len(set(shown)) > 2
    assert f"{NAME} is downloaded and verified" in terminal.whole


def test_ctrl_c_stops_a_download_and_says_how_to_go_on(
    hub: FakeHub, environment: dict[str, str], tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path, 2_000_000))
    hub.switches.rate, hub.switches.stays_at = 300_000, 1_500_000
    terminal = Terminal([*MLXD, "models", "pull", NAME], environment)
    terminal.until("MB/s")
    terminal.type("\x03")
    assert terminal.ended() == 130
    assert f"To go on from there: mlxd models pull {NAME}" in terminal.whole.replace("\r\n", " ")


def listed(environment: dict[str, str]) -> str:
    return mlxd(environment, "models", "ls").stdout


def test_a_download_that_was_killed_says_by_what_and_is_listed(
    hub: FakeHub, environment: dict[str, str], tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path, 2_000_000))
    hub.switches.stays_at = 1_000_000
    process = subprocess.Popen(
        [*MLXD, "models", "pull", NAME],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + PATIENCE_S
    part = tmp_path / "hf" / "hub" / "models--org--small" / "blobs"
    while not [one for one in part.glob("*incomplete") if one.stat().st_size > 300_000]:
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.02)
    while not re.search(rf"{NAME} .*downloading, \d+ %", shown := listed(environment)):
        assert re.search(rf"{NAME} .*downloading", shown), shown
        assert time.monotonic() < until
    (downloader,) = beneath(process.pid, "mlxd.catalog.pull")
    downloader.kill()
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "ended from outside by SIGKILL" in told
    assert f"mlxd models pull {NAME}" in told
    assert "Traceback" not in told
    shown = listed(environment)
    assert re.search(rf"{NAME} .*its download has not ended, \d\.\d MB are here", shown), shown
    hub.switches.stays_at = None
    assert mlxd(environment, "models", "pull", NAME).returncode == 0
    assert hub.fetched("model.safetensors")[-1].range


def test_small_sizes_are_shown(hub: FakeHub, environment: dict[str, str], tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path, 200_000))
    assert mlxd(environment, "models", "pull", NAME).returncode == 0
    assert re.search(rf"{NAME} +200 kB ", mlxd(environment, "models", "ls").stdout)
    terminal = Terminal([*MLXD, "models", "rm", NAME], environment)
    terminal.until("200 kB")
    terminal.until("[y/N]")
    terminal.type("n\n")
    terminal.until("Nothing was removed.")
    assert terminal.ended() == 1
    terminal = Terminal([*MLXD, "models", "rm", NAME], environment)
    terminal.until("[y/N]")
    terminal.type("y\n")
    terminal.until("200 kB are free again")
    assert terminal.ended() == 0
    assert not (tmp_path / "hf" / "hub" / "models--org--small").exists()


def test_the_doctor_shows_how_far_it_is(environment: dict[str, str]) -> None:
    offline = environment | {"HF_HUB_OFFLINE": "1"}
    terminal = Terminal([*MLXD, "doctor", "--only", "python,versions,device,network"], offline)
    terminal.until(" of 4: ")
    terminal.until("Device")
    terminal.until("4 ok")
    assert terminal.ended() == 0


def test_fix_asks_before_each_thing_that_it_does(
    environment: dict[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True)
    for folder in (data, data / "logs"):
        folder.chmod(0o777)
    command = [*MLXD, "doctor", "--fix", "--only", "folders"]
    terminal = Terminal(command, environment)
    terminal.until(f"{data}? [y/N]")
    assert data.stat().st_mode & 0o777 == 0o777, "done before it was asked"
    terminal.type("y\n")
    terminal.until(f"{data / 'logs'}? [y/N]")
    terminal.type("\n")
    terminal.until("left as it is")
    terminal.until("other users may write")
    terminal.ended()
    assert data.stat().st_mode & 0o777 == 0o755
    assert (data / "logs").stat().st_mode & 0o777 == 0o777


def test_what_is_served_is_not_removed(
    hub: FakeHub, environment: dict[str, str], tmp_path: Path
) -> None:
    """A model of LM Studio, in a folder as that application lays it out, and one that was pulled.
    No service runs yet; `mlxd run` starts it."""
    source = pilot_path()
    assert source is not None
    files = [file for file in source.iterdir() if file.is_file()]
    folder = tmp_path / ".lmstudio" / "models" / "some-publisher" / "A-Small-Model"
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).symlink_to(file)
    theirs = "some-publisher/A-Small-Model"
    hub.add(NAME, {file.name: file.read_bytes() for file in files})
    assert mlxd(environment, "models", "pull", NAME).returncode == 0
    listed = json.loads(mlxd(environment, "models", "ls", "--json").stdout)
    (row,) = [one for one in listed if one["id"] == theirs]
    assert row["where"] == "lmstudio"
    assert row["usable"]
    assert row["path"] == str(folder)
    ask = ("Reply only OK", "--temperature", "0")
    try:
        first = mlxd(environment, "run", theirs.lower(), *ask)
        assert first.stdout.strip() == "OK", first.stderr
        assert "mlxd is up" in first.stderr
        assert "to end it: mlxd down" in first.stderr
        second = mlxd(environment, "run", NAME, *ask)
        assert second.stdout.strip() == "OK", second.stderr
        assert "mlxd is up" not in second.stderr
        told = mlxd(environment, "models", "ls").stdout
        assert re.search(rf"{theirs} .*LM Studio, ready", told), told
        refused = mlxd(environment, "models", "rm", theirs, "--yes", "--force")
        assert refused.returncode != 0
        assert "was not downloaded by mlxd" in refused.stderr
        refused = mlxd(environment, "models", "rm", NAME, "--yes")
        assert refused.returncode == 7, refused.stderr
        assert re.search(rf"{NAME} .*is ready", refused.stderr), refused.stderr
    finally:
        ended = mlxd(environment, "down")
    assert ended.returncode == 0
    assert mlxd(environment, "models", "rm", NAME, "--yes").returncode == 0
    assert (folder / "config.json").exists()
    assert all(file.exists() for file in files)
