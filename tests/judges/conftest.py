import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model

from .service import Service

# Seconds that a client may take for the head and for the body of its request: short, so that the
# tests of slow clients are quick; enough for a hundred megabytes on a busy machine.
PATIENCE = {"MLXD_SERVER_HEADER_TIMEOUT": "3", "MLXD_SERVER_BODY_TIMEOUT": "5"}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, a vision and an embedding model, of random weights."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "tiny", SHAPES["tiny"])
    # Its context is short, so that reaching its end is quick.
    write_model(folder / "tiny-vl", replace(SHAPES["tiny-vl"], context=1024))
    # What makes a language model one for embeddings, in the files of sentence-transformers.
    shutil.copytree(folder / "tiny", folder / "tiny-embed")
    (folder / "tiny-embed" / "modules.json").write_text("[]")
    return folder


@pytest.fixture(scope="package")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The one service that all judges share."""
    home = tmp_path_factory.mktemp("home")
    made = Service([models / n for n in ("tiny", "tiny-vl", "tiny-embed")], home, PATIENCE)
    yield made
    made.close()
