"""`mlxd service`: what is written, what the system is told, what is left alone. A recorder stands
in for the system's own commands, as no test may change the machine that it runs on."""

import os
import plistlib
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.processes import PATIENCE_S

from mlxd.cli import units

SYSTEMCTL = """#!/bin/sh
echo "$0 $*" | sed 's|.*/||' >> "$RECORD"
case "$*" in
  *is-active*) test -e "$RECORD.active" ;;
  *start*) touch "$RECORD.active" ;;
  *disable*) rm -f "$RECORD.active" ;;
  *show-user*) echo "$LINGER" ;;
esac
"""
LAUNCHCTL = """#!/bin/sh
echo "$0 $*" | sed 's|.*/launchctl|launchctl|' >> "$RECORD"
case "$*" in
  print*local.mlxd) test -e "$RECORD.active" ;;
  bootstrap*) touch "$RECORD.active" ;;
  bootout*) rm "$RECORD.active" ;;
esac
"""


class Machine:
    def __init__(self, folder: Path, **commands: str) -> None:
        self.home = folder / "home"
        self.record = folder / "record"
        tools = folder / "bin"
        tools.mkdir()
        for name, text in commands.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        self.env = {
            "HOME": str(self.home),
            "PATH": f"{tools}:/usr/bin:/bin" if commands else str(tools),
            "RECORD": str(self.record),
            "LINGER": "no",
            "MLXD_SERVER_TOKEN": 'to"ken $HOME % \\',
        }

    def mlxd(self, *words: str, manager: str = "Systemd") -> "subprocess.CompletedProcess[str]":
        code = f"from mlxd.cli import unit; unit._manager = unit.{manager}\n"
        code += "import mlxd.cli; mlxd.cli.main()"
        return subprocess.run(
            [sys.executable, "-c", code, "service", *words],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def told(self) -> list[str]:
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        self.record.unlink(missing_ok=True)
        return [line for line in lines if "show" not in line and "is-active" not in line]

    @property
    def unit(self) -> Path:
        return self.home / ".config/systemd/user/mlxd.service"

    @property
    def secrets(self) -> Path:
        return self.home / ".config/mlxd/service.env"


@pytest.fixture
def linux(tmp_path: Path) -> Machine:
    return Machine(tmp_path, systemctl=SYSTEMCTL, loginctl=SYSTEMCTL)


def test_install_twice_is_install_once_and_other_options_are_taken_over(linux: Machine) -> None:
    first = linux.mlxd("install", "--model", "pilot")
    assert first.returncode == 0, first.stderr
    assert f"written: {linux.unit}" in first.stdout
    assert "loginctl enable-linger" in first.stdout
    assert linux.told() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable mlxd.service",
        "systemctl --user restart mlxd.service",
    ]
    again = linux.mlxd("install", "--model", "pilot")
    assert f"as it was: {linux.unit}" in again.stdout
    assert linux.told()[-1] == "systemctl --user start mlxd.service"
    linux.env["LINGER"] = "yes"
    other = linux.mlxd("install", "--port", "61000")
    assert "linger" not in other.stdout
    assert linux.told()[-1] == "systemctl --user restart mlxd.service"
    assert '"--port=61000"' in linux.unit.read_text()
    assert "--model" not in linux.unit.read_text()


def test_the_service_is_this_installation_with_its_surroundings(
    linux: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    linux.mlxd("install", "--data-dir", "some where")
    text = linux.unit.read_text()
    assert f'ExecStart="{sys.executable}" "-P" "-m" "mlxd" "serve"' in text
    assert f'"--data-dir={Path.cwd() / "some where"}"' in text
    # The token is in a file for this user's eyes, and reads back as it was.
    assert "to" + '"ken' not in text
    assert stat.S_IMODE(linux.secrets.stat().st_mode) == 0o600
    shown = subprocess.run(
        ["bash", "-c", f'. "{linux.secrets}"; printf %s "$MLXD_SERVER_TOKEN"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == linux.env["MLXD_SERVER_TOKEN"]


def test_the_unit_is_one_that_systemd_takes(
    linux: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    linux.mlxd("install", "--data-dir", 'a "b" $c %d \\e')
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(linux.unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "mlxd.service" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_a_dry_run_writes_nothing_tells_nobody_and_shows_no_token(linux: Machine) -> None:
    done = linux.mlxd("install", "--dry-run")
    assert done.returncode == 0
    assert "ExecStart=" in done.stdout
    assert 'to"ken' not in done.stdout.replace("\\", "")
    assert 'MLXD_SERVER_TOKEN="(set)"' in done.stdout
    assert linux.told() == []
    assert not linux.unit.exists()


def test_uninstall_removes_what_is_ours_and_nothing_else(linux: Machine) -> None:
    linux.mlxd("install")
    kept = linux.home / ".config/mlxd/mlxd.toml"
    kept.write_text("")
    linux.told()
    done = linux.mlxd("uninstall")
    assert (done.returncode, linux.unit.exists(), linux.secrets.exists()) == (0, False, False)
    assert kept.exists()
    assert linux.told() == [
        "systemctl --user disable --now mlxd.service",
        "systemctl --user daemon-reload",
    ]
    again = linux.mlxd("uninstall")
    assert (again.returncode, again.stdout) == (0, "mlxd is not installed as a service\n")


def test_a_unit_of_someone_else_is_left_alone(linux: Machine) -> None:
    linux.unit.parent.mkdir(parents=True)
    linux.unit.write_text("[Service]\nExecStart=/usr/bin/other\n")
    for words in (["install"], ["uninstall"]):
        done = linux.mlxd(*words)
        assert (done.returncode, "was not written by mlxd" in done.stderr) == (1, True)
    assert linux.told() == []
    assert "other" in linux.unit.read_text()


def test_without_systemd_nothing_is_written_and_the_other_way_is_named(tmp_path: Path) -> None:
    bare = Machine(tmp_path)
    done = bare.mlxd("install")
    assert (done.returncode, "mlxd up" in done.stderr) == (7, True)
    assert "there is no systemctl" in done.stderr
    (tmp_path / "other").mkdir()
    deaf = Machine(tmp_path / "other", systemctl="#!/bin/sh\necho Failed to connect >&2; exit 1\n")
    done = deaf.mlxd("install")
    assert (done.returncode, "Failed to connect" in done.stderr) == (7, True)
    assert not deaf.unit.exists()


def test_launchd_is_told_the_same(tmp_path: Path) -> None:
    mac = Machine(tmp_path, launchctl=LAUNCHCTL)
    done = mac.mlxd("install", "--model", "pilot", manager="Launchd")
    assert done.returncode == 0, done.stderr
    plist = mac.home / "Library/LaunchAgents/local.mlxd.plist"
    read = plistlib.loads(plist.read_bytes())
    assert read["ProgramArguments"] == [
        *(sys.executable, "-P", "-m", "mlxd", "serve"),
        "--model=pilot",
    ]
    assert read["EnvironmentVariables"]["MLXD_SERVER_TOKEN"] == mac.env["MLXD_SERVER_TOKEN"]
    assert stat.S_IMODE(plist.stat().st_mode) == 0o600
    gui = f"gui/{os.getuid()}"
    told = [line for line in mac.told() if "print" not in line]
    assert told == [
        f"launchctl enable {gui}/local.mlxd",
        f"launchctl bootstrap {gui} {plist}",
    ]
    mac.mlxd("install", "--model", "pilot", manager="Launchd")
    assert [line for line in mac.told() if "print" not in line] == []
    mac.mlxd("install", manager="Launchd")
    assert f"launchctl bootout {gui}/local.mlxd" in mac.told()
    assert mac.mlxd("uninstall", manager="Launchd").returncode == 0
    assert not plist.exists()


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)))
def test_any_argument_reaches_launchd_as_it_is(words: list[str]) -> None:
    wanted = units.Wanted(words, {"A": "".join(words)}, Path("/h"), Path("/l"), 90)
    text = units.launchd_plist(wanted, "x")
    assert plistlib.loads(text.encode())["ProgramArguments"] == words
