import pytest
import typer

from mlxd.cli.app import app
from mlxd.cli.quick import SERVE, serve_flags


def test_the_quick_way_knows_every_option_of_serve() -> None:
    (command,) = [c for n, c in typer.main.get_command(app).commands.items() if n == "serve"]  # type: ignore[attr-defined]
    assert {o for p in command.params for o in p.opts} - {"--help"} == set(SERVE)


def test_plain_options_are_read() -> None:
    words = ["serve", "--model", "a", "--port=8", "--model", "b", "--config", "c"]
    assert serve_flags(words) == {"models": ["a", "b"], "server.port": "8", "config": "c"}
    assert serve_flags(["serve"]) == {}


@pytest.mark.parametrize(
    "words", ["", "status", "serve --help", "serve x", "serve --model", "serve --port --host"]
)
def test_anything_else_is_left_to_typer(words: str) -> None:
    assert serve_flags(words.split()) is None
