"""A running service is found where its data folder can't be written, and in spite of mistakes that
were made in the settings since it started."""

import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

from tests.processes import PATIENCE_S, runs

from .service import serving
from .test_serve import mlxd


def test_without_a_file_of_it_a_service_is_found_by_its_port(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.touch()
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        (engine,) = service.engines()
        here = {"MLXD_SERVER_PORT": service.url.rpartition(":")[2], "MLXD_DATA_DIR": str(data)}
        again = mlxd("up", "--model", "pilot", environ=here)
        assert (again.returncode, "running already" in again.stdout) == (0, True)
        assert "was not taken over" in again.stderr
        assert mlxd("models", "start", "fake", environ=here).stdout == "fake: ready\n"
        other = mlxd("down", environ={**here, "MLXD_DATA_DIR": str(tmp_path / "other")})
        assert (other.returncode, "Another one has port" in other.stdout) == (0, True)
        assert runs(engine)
        down = mlxd("down", environ=here)
        assert (down.returncode, down.stdout) == (0, "mlxd is down\n")
        assert service.process.wait(PATIENCE_S) == 0
        assert not runs(engine)
    assert mlxd("down", environ=here).stdout == "mlxd is not running\n"


def test_whoever_has_the_port_can_have_nobody_else_ended(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        claim = {"data_dir": str(tmp_path), "pid": bystander.pid, "engines": {}, "ready": True}

        class Liar(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(claim).encode())

            def log_message(self, *_: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            port = str(server.server_address[1])
            here = {"MLXD_SERVER_PORT": port, "MLXD_DATA_DIR": str(tmp_path)}
            down = mlxd("down", "--now", environ=here)
            server.shutdown()
        assert (down.returncode, down.stdout.startswith("mlxd is not running")) == (0, True)
        assert bystander.poll() is None
        bystander.communicate(b"\n", PATIENCE_S)


def test_a_mistake_in_the_settings_keeps_nobody_from_ending_the_service(tmp_path: Path) -> None:
    config = tmp_path / "mlxd.toml"
    with serving(tmp_path) as service:
        service.wait_for("fake is ready")
        here = ("--config", str(config))
        for wrong, told in (
            (f'data_dir = "{service.data}"\n[server]\nquue_limit = 3\n', "Did you mean"),
            (f'data_dir = "{service.data}"\n[[models]]\nnmae = "x"\n', "needs a name"),
            (f'data_dir = "{service.data}"\n[server]\nbody_limit = "x"\n', "server.body_limit"),
        ):
            config.write_text(wrong)
            status = mlxd("status", *here)
            assert (status.returncode, "fake  ready" in status.stdout) == (0, True), status
            assert told in status.stderr
            assert "looked for all the same" in status.stderr
        logs = mlxd("logs", "gateway", "-n", "99", *here)
        assert "fake: loading -> ready" in logs.stdout or "starting -> ready" in logs.stdout
        # Not TOML at all: then only flags and the environment say where it is.
        config.write_text("[server")
        assert mlxd("up", *here).returncode == 2
        down = mlxd("down", *here, "--data-dir", str(service.data))
        assert (down.returncode, down.stdout) == (0, "mlxd is down\n")
        assert service.process.wait(PATIENCE_S) == 0
