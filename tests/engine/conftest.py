from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model
from tests.engine.harness import Engine, engine


@pytest.fixture(scope="session")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny", SHAPES["tiny"])


@pytest.fixture(scope="session")
def vision_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny-vl", SHAPES["tiny-vl"])


@pytest.fixture(scope="session")
def text_engine(text_model: Path) -> Iterator[Engine]:
    with engine(text_model) as started:
        yield started


@pytest.fixture(scope="session")
def vision_engine(vision_model: Path) -> Iterator[Engine]:
    with engine(vision_model) as started:
        yield started
