"""The installation is replaced or removed under a running service, as an update does it."""

import shutil
from pathlib import Path

import httpx2
import pytest
from tests.supervisor.harness import ROOT

from .service import serving


def test_a_service_outlives_its_installation_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    # Neither weights nor pages are needed by a service of a fake engine.
    left_out = shutil.ignore_patterns("__pycache__", "*.safetensors", "web")
    shutil.copytree(ROOT / "src" / "mlxd", site / "mlxd", ignore=left_out)
    monkeypatch.setenv("PYTHONPATH", str(site))
    # Nothing is written there while it is being removed.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    with serving(tmp_path, "--rate", "50") as service:
        service.wait_for("fake is ready")
        before = httpx2.get(f"{service.url}/status", timeout=60).json()
        assert before["troubles"] == []
        shutil.rmtree(site)
        with service.stream("[[tokens 60]]") as answer:
            lines = answer.iter_lines()
            begun = [next(lines) for _ in range(10)]
            service.engines()[0].kill()
            text = "".join([*begun, *lines])
        assert [text.count(f'"w{i} "') for i in range(60)] == [1] * 60
        status = httpx2.get(f"{service.url}/status", timeout=60).json()
        assert "was replaced or removed" in " ".join(status["troubles"])
        assert "mlxd up" in status["engines"]["fake"]["explanation"]
        assert service.end() == 0
