import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench.models import SHAPES, write_model

PATIENCE_S = 250.0


class Examined:
    """What `mlxd doctor --json` printed, by the names of its checks."""

    def __init__(self, made: "subprocess.CompletedProcess[str]") -> None:
        self.code = made.returncode
        self.stderr = made.stderr
        try:
            self.report: dict[str, Any] = json.loads(made.stdout)
        except ValueError:
            pytest.fail(f"{made.stdout}\n{made.stderr}")
        self.checks = {one["name"]: one for one in self.report["checks"]}

    def __getitem__(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.checks[name]
        return found


Doctor = Callable[..., Examined]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """Nothing of the user's own, and offline, so that no test asks the network."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLXD_", "HF_"))}
    named = {"XDG_CONFIG_HOME": home / "config", "XDG_CACHE_HOME": home / "cache", "HOME": home}
    return {
        **inherited,
        **{key: str(path) for key, path in named.items()},
        "MLXD_DATA_DIR": str(home / "data"),
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture
def doctor(environment: Mapping[str, str]) -> Doctor:
    def run(*only: str, arguments: tuple[str, ...] = (), **changed: str) -> Examined:
        chosen = ["--only", ",".join(only)] if only else []
        return Examined(
            subprocess.run(
                [sys.executable, "-m", "mlxd", "doctor", "--json", *chosen, *arguments],
                env={**environment, **changed},
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
        )

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_model(folder, replace(SHAPES["tiny"], context=512))
    return folder
