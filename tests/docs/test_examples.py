"""The commands and programs of README and guide are run as they stand there."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .markdown import Block, blocks
from .service import DOCUMENTED, PATIENCE_S, ROOT, Service

EXAMPLES = [
    block for name in ("README.md", "docs/guide.md") for block in blocks(ROOT / name) if block.runs
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("docs") / "home")
    yield started
    assert started.end() == 0


def _where(block: Block) -> str:
    return f"{block.file.name}:{block.line}"


@pytest.mark.parametrize("block", EXAMPLES, ids=_where)
def test_example_runs(
    block: Block, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = block.code.replace(DOCUMENTED, service.address)
    if block.language == "python":
        # In this process: importing the SDK anew for each would take longer than all else.
        exec(compile(code, _where(block), "exec"), {"__name__": "__main__"})
        said = capsys.readouterr().out
    else:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=tmp_path,
            env=service.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout
    assert said.strip()
    assert '"error"' not in said


def test_there_are_examples_to_run() -> None:
    assert {block.file.name for block in EXAMPLES} == {"README.md", "guide.md"}
