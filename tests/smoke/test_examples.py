"""What docs/how/smoke.md shows is run: the lines of its workflow, and its Python."""

import os
import re
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from .fake import serving

PAGE = Path(__file__).parents[2] / "docs" / "how" / "smoke.md"
LIMIT_S = 300
pytestmark = pytest.mark.timeout(3 * LIMIT_S)
# What the scripted model can't read unless the tests tell it.
PRINTED = {"vision.code"}


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_the_workflow_for_github_actions(tmp_path: Path) -> None:
    steps = yaml.safe_load(_block("yaml"))["jobs"]["model-server"]["steps"]
    lines = [step["run"] for step in steps if "run" in step]
    # To install is the runner's; that it names the package, and what its plugin needs, is ours.
    assert lines.pop(0) == "pip install mlxd pytest"
    kept = next(step for step in steps if "upload-artifact" in step.get("uses", ""))
    with serving() as fake:
        # In the workflow a server with the bundled model is started; here one is there.
        here = os.environ | {"MLX_BASE_URL": fake.url}
        here["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{here['PATH']}"
        for line in lines:
            done = subprocess.run(
                ["sh", "-e", "-c", line],
                cwd=tmp_path, env=here, timeout=LIMIT_S,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode in (0, 1), done.stderr
    files = {path.name for path in (tmp_path / kept["with"]["path"]).iterdir()}
    assert files == {"smoke.xml", "smoke.html"}
    cases = ET.parse(tmp_path / "smoke" / "smoke.xml").findall(".//testcase")
    failed = {
        str(one.get("name")).partition(":")[0] for one in cases if one.find("failure") is not None
    }
    assert failed <= PRINTED


def test_the_python(tmp_path: Path) -> None:
    with serving() as fake:
        code = _block("python").replace("http://127.0.0.1:60315", fake.url)
        assert fake.url in code
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| tool-loop.loop |" in done.stdout
