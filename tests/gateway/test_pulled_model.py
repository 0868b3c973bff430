"""From a hub to an answer, with the real engine: the bundled model's files under another name."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from tests.docs.service import Service
from tests.fakes.hub import running

from mlxd.catalog.catalogue import pilot_path

NAME = "org/Small-Seeing-Model"


def test_a_model_that_was_pulled_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pilot_path()
    assert source is not None
    files = {p.name: p.read_bytes() for p in source.iterdir() if p.is_file()}
    for name in [one for one in os.environ if one.startswith("HF_")]:
        monkeypatch.delenv(name)
    service = Service(tmp_path / "home")
    try:
        with running() as hub:
            hub.add(NAME, files)
            done = subprocess.run(
                [sys.executable, "-m", "mlxd", "models", "pull", NAME.lower()],
                capture_output=True,
                text=True,
                env={**service.environment, "HF_ENDPOINT": hub.url},
            )
            assert done.returncode == 1
            assert f"Did you mean {NAME}" not in done.stderr  # nobody here knows that name yet
            done = subprocess.run(
                [sys.executable, "-m", "mlxd", "models", "pull", NAME],
                capture_output=True,
                text=True,
                env={**service.environment, "HF_ENDPOINT": hub.url},
            )
            assert done.returncode == 0, done.stderr
            assert "downloaded and verified" in done.stdout
        body = {
            # In another case than the hub's: it is here now, and known.
            "model": NAME.lower(),
            "messages": [{"role": "user", "content": "Reply only OK"}],
            "temperature": 0,
        }
        address = f"http://{service.address}/v1/chat/completions"
        answer = httpx2.post(address, json=body, timeout=120)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == NAME
        assert answer.json()["choices"][0]["message"]["content"].strip() == "OK"
    finally:
        assert service.end() == 0
