"""Every command of the runbooks is run, in the order in which it stands there, or says beside its
fence why it is not.

    ```sh run                       run, as the reader would type it
    ```sh not run: needs Docker     shown, not run, for that reason

A page's blocks share a home of their own, in which `~/models` has models of random weights. Ports
are replaced by free ones.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from bench.models import SHAPES, write_model
from tests.kept import share_compiled
from tests.ports import free_port
from tests.processes import end, runs

from .markdown import Block, blocks
from .service import ROOT

FOLDER = ROOT / "docs" / "runbooks"
PAGES = sorted(FOLDER.glob("*.md"))
COMMANDS = {"sh", "python"}
# Any of them in a page stands for a port of the reader's machine.
PORTS = ("60315", "60316", "8080", "11434")
# What the pages call the models of a reader.
MODELS = {"Qwen3-4B-4bit": "tiny", "Qwen3-VL-4B-Instruct-3bit": "tiny-vl"}
NOT_RUN = re.compile(r"^not run: \S.{8,}$")
PATIENCE_S = 250.0


def _commands(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language in COMMANDS]


def _runs(page: Path) -> list[Block]:
    return [block for block in _commands(page) if block.runs and _here(block)]


def _here(block: Block) -> bool:
    return sys.platform == "linux" or "linux" not in block.info.split()


RUN = [page for page in PAGES if _runs(page)]


class Reader:
    """Somebody at a shell, with nothing but what the page has told them to have."""

    def __init__(self, home: Path, models: Path) -> None:
        self.home = home
        (home / "models").mkdir(parents=True)
        share_compiled(home)
        for name, kind in MODELS.items():
            shutil.copytree(models / kind, home / "models" / name)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLXD_", "HF_"))}
        self.ports = {port: str(free_port()) for port in PORTS}
        self.environment = {
            **inherited,
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "MLXD_DATA_DIR": str(home / "data"),
            "MLXD_SERVER_PORT": self.ports["60315"],
            "HF_HUB_OFFLINE": "1",
            "NO_PROXY": "*",
            "no_proxy": "*",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, block: Block) -> None:
        code = block.code
        for documented, mine in self.ports.items():
            code = re.sub(rf"\b{documented}\b", mine, code)
        shell = ["bash", "-euo", "pipefail", "-c", code]
        command = [sys.executable, "-c", code] if block.language == "python" else shell
        with (self.home / "said").open("w+") as said:
            # A file and no pipe: what goes on in the background holds it open.
            done = subprocess.run(
                command,
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                timeout=PATIENCE_S,
            )
            said.seek(0)
            told = said.read()
        where = f"{block.file.name}:{block.line}"
        assert done.returncode == 0, f"{where} ended with {done.returncode}:\n{code}\n{told}"
        assert '"error": {' not in told, f"{where}:\n{told}"

    def left(self) -> list[psutil.Process]:
        """Processes that the page has started and not ended."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("HOME") == str(self.home)
            except psutil.Error:
                continue
            if ours and runs(process):
                found.append(process)
        return found


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "tiny", SHAPES["tiny"])
    write_model(folder / "tiny-vl", replace(SHAPES["tiny-vl"], context=1024))
    return folder


@pytest.fixture
def reader(tmp_path: Path, models: Path) -> Iterator[Reader]:
    made = Reader(tmp_path / "home", models)
    yield made
    end(made.left())


# The longest starts servers and loads libraries some fifteen times.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_page_works_from_top_to_bottom(page: Path, reader: Reader) -> None:
    for block in _runs(page):
        reader.run(block)
    assert not (left := reader.left()), f"{page.name} leaves behind {left}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_not_run_says_why(page: Path) -> None:
    silent = [
        f"{page.name}:{block.line} ({block.info})"
        for block in _commands(page)
        if not block.runs and not NOT_RUN.match(block.info.partition(" ")[2])
    ]
    assert not silent, "a command is neither run nor says why it is not"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_command_hides_in_a_list(page: Path) -> None:
    """An indented fence would be seen by no test."""
    assert not re.findall(r"^ +```", page.read_text(encoding="utf-8"), re.MULTILINE)


def test_most_pages_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    """With -s, the list of all that is not."""
    for page in PAGES:
        for block in _commands(page):
            if not block.runs:
                print(f"{page.name}:{block.line}: {block.info.partition(' ')[2]}")
    assert len(RUN) >= 7
    assert len([b for p in RUN for b in _runs(p)]) > 2 * len(RUN)
