"""The pytest plugin, in a pytest of an application's own."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlxd.smoke.checks import SUITES

from .fake import serving

LIMIT_S = 300
pytestmark = pytest.mark.timeout(LIMIT_S + 60)


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:anyio", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_each_check_is_a_test(tmp_path: Path) -> None:
    with serving() as fake:
        done = run_pytest(tmp_path, "--mlxd-url", fake.url, "--mlxd-suite", "basic", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "basic::nonce PASSED" in done.stdout


def test_the_suites_have_the_names_that_the_command_takes(tmp_path: Path) -> None:
    with serving() as fake:
        done = run_pytest(tmp_path, "--mlxd-url", fake.url, "--mlxd-suite", "core", "--co", "-q")
    assert "mlxd-smoke::tool-loop.loop" in done.stdout
    assert "mlxd-smoke::conversation" not in done.stdout
    wrong = run_pytest(tmp_path, "--mlxd-url", "http://127.0.0.1:1", "--mlxd-suite", "nope")
    assert "--mlxd-suite nope: there are core, health, basic" in wrong.stderr


def test_a_failure_shows_the_request_that_repeats_it(tmp_path: Path) -> None:
    with serving("finish-null") as fake:
        done = run_pytest(tmp_path, "--mlxd-url", fake.url, "--mlxd-suite", "health")
    assert done.returncode == 1
    assert "finish_reason is None" in done.stdout
    assert "curl -sS" in done.stdout
    others = len(SUITES["health"].checks) - 1
    assert f"1 failed, {others} passed" in done.stdout


def test_without_its_option_it_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    assert "1 passed" in run_pytest(tmp_path).stdout
