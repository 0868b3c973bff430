from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model

from .service import Service

# Seconds that a client may take for the head and for the body of its request: short, so that the
# tests of slow clients are quick.
PATIENCE = {"MLXD_SERVER_HEADER_TIMEOUT": "2", "MLXD_SERVER_BODY_TIMEOUT": "2"}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text model and a vision model, of random weights."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("tiny", "tiny-vl"):
        write_model(folder / name, SHAPES[name])
    return folder


@pytest.fixture(scope="session")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The one service that all judges share."""
    home = tmp_path_factory.mktemp("home")
    made = Service([models / "tiny", models / "tiny-vl"], home, PATIENCE)
    yield made
    made.close()
