"""Settings and commands that documentation and messages name are really there."""

import ast
import re
from collections.abc import Iterator

import typer.main

from mlxd.cli.app import app
from mlxd.settings import environment_name, known_keys

from .markdown import blocks
from .service import ROOT
from .test_pages import PAGES

_SETTING = re.compile(r"\b(?:server|images|engine|logging)\.[a-z0-9_]+\b")
_VARIABLE = re.compile(r"\bMLXD_[A-Z0-9_]+\b")
# In prose "mlxd" is also a name, so a command is only what is set off.
_COMMAND = re.compile(
    r"(?:`|^\s*\.venv/bin/|^(?:[A-Z0-9_]+=\S+ )?)mlxd ([a-z]+)(?: ([a-z]+))?", re.MULTILINE
)
_COMMAND_IN_MESSAGE = re.compile(r"(?:`|: )mlxd ([a-z]+)(?: ([a-z]+))?")
_FILE_NAMES = {"md", "py", "log"}
# Set the place of the settings and the address that `mlxd status` asks.
_OTHER_VARIABLES = {"MLXD_CONFIG", "MLXD_URL"}


def _texts() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        prose = page.read_text(encoding="utf-8")
        yield name, "\n".join(re.findall(r"`[^`\n]+`", prose))
        for block in blocks(page):
            if block.language in ("sh", "toml", "ini"):
                yield f"{name}:{block.line}", block.code
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.value


TEXTS = list(_texts())


def test_settings_that_are_named_exist() -> None:
    known = known_keys().keys()
    wrong = [
        f"{where}: {name}"
        for where, text in TEXTS
        for name in _SETTING.findall(text)
        if name not in known and name.partition(".")[2] not in _FILE_NAMES
    ]
    assert not wrong


def test_variables_that_are_named_exist() -> None:
    known = {environment_name(key) for key in known_keys()} | _OTHER_VARIABLES
    wrong = [
        f"{where}: {name}"
        for where, text in TEXTS
        for name in _VARIABLE.findall(text)
        if name not in known and not name.endswith("_")
    ]
    assert not wrong


def test_commands_that_are_named_exist() -> None:
    commands = getattr(typer.main.get_command(app), "commands", {})
    wrong = []
    for where, text in TEXTS:
        pattern = _COMMAND if ".md" in where else _COMMAND_IN_MESSAGE
        for first, second in pattern.findall(text):
            below = getattr(commands.get(first), "commands", None)
            if first not in commands or (below is not None and second and second not in below):
                wrong.append(f"{where}: mlxd {first} {second}".rstrip())
    assert not wrong
