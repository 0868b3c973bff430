"""Engines started, stopped and asked by name, from a shell."""

import sys
from pathlib import Path

from tests.fakes.engine import BROKEN, LASTING

from mlxd.cli.background import EXIT_INTERRUPTED, EXIT_NO_MODEL, EXIT_STILL_LOADING

from .service import serving
from .test_interrupted import Waiting
from .test_serve import mlxd


def test_start_stop_and_restart_return_when_it_is_done(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        (first,) = service.engines()
        done = mlxd("models", "start", "fake", *data)
        assert (done.returncode, done.stdout) == (0, "fake: ready\n")
        assert service.engines() == [first]
        done = mlxd("models", "restart", str(tmp_path / "fake"), *data)
        assert (done.returncode, done.stdout) == (0, "fake: ready\n")
        (second,) = service.engines()
        assert second != first
        done = mlxd("models", "stop", "fake", *data)
        assert (done.returncode, done.stdout) == (0, "fake: at rest\n")
        assert service.engines() == []
        # One that does not run is started by a restart too.
        done = mlxd("models", "restart", "fake", *data)
        assert (done.returncode, done.stdout) == (0, "fake: ready\n")
        wrong = mlxd("models", "stop", "fkae", *data)
        assert (wrong.returncode, "Did you mean fake?" in wrong.stderr) == (1, True)
        assert service.end() == 0
    assert mlxd("models", "start", "fake", *data).returncode == 3


def test_what_does_not_become_ready_has_exit_codes_of_its_own(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    with serving(tmp_path, "--never-ready") as service:
        service.wait_for("listening")
        late = mlxd("models", "start", "fake", "--wait", "0.2", *data)
        assert late.returncode == EXIT_STILL_LOADING
        assert "See: mlxd status" in late.stdout
        waiting = Waiting(sys.executable, "-m", "mlxd", "models", "start", "fake", *data)
        waiting.wait_for("fake: loading")
        waiting.interrupt()
        assert waiting.end() == EXIT_INTERRUPTED
        assert "the start goes on" in waiting.output
        assert "Traceback" not in waiting.output


def test_a_restart_says_why_the_engine_failed(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        broken = tmp_path / "fake" / BROKEN
        broken.write_text(LASTING)
        failed = mlxd("models", "restart", "fake", *data)
        assert (failed.returncode, failed.stdout) == (EXIT_NO_MODEL, "")
        assert "has no weights" in failed.stderr
        broken.unlink()
        done = mlxd("models", "start", "fake", *data)
        assert (done.returncode, done.stdout) == (0, "fake: ready\n")
