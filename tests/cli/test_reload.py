"""Settings that are read again touch only what they change."""

import signal
from pathlib import Path

import httpx2

from .service import serving


def test_only_what_changed_is_touched(tmp_path: Path) -> None:
    config = tmp_path / "mlxd.toml"
    config.write_text("")
    with serving(tmp_path, arguments=("--config", str(config))) as service:
        service.wait_for("fake is ready")
        (engine,) = service.engines()

        def again() -> httpx2.Response:
            return httpx2.post(f"{service.url}/admin/reload", timeout=60)

        config.write_text("[server]\nqueue_limit = 7\n")
        assert again().json() == {
            "changed": ["server.queue_limit"],
            "restarted": [],
            "started": [],
            "remotes": [],
            "needs_restart_of_the_service": ["server.queue_limit"],
        }
        config.write_text("[server]\nqueue_limit = nonsense\n")
        refused = again()
        assert refused.status_code == 400
        assert "Nothing was changed" in refused.json()["error"]["message"]
        assert service.engines() == [engine]
        config.write_text("[engine]\nmax_batch = 3\n")
        told = again().json()
        # What is in the file no more is as if nobody had set it.
        assert sorted(told["changed"]) == ["engine.max_batch", "server.queue_limit"]
        assert told["restarted"] == ["fake"]
        assert service.chat("hello").json()["choices"][0]["message"]["content"] == "hello"
        (second,) = service.engines()
        assert second != engine
        assert '"rows":3' in " ".join(second.cmdline())
        service.process.send_signal(signal.SIGHUP)
        service.wait_for(r"settings read again: \{'changed': \[\], 'restarted': \[\]")
        assert service.engines() == [second]
        assert service.end() == 0
