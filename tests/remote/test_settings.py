from pathlib import Path

import pytest

from mlxd.settings import SettingsError, load

TABLE = """
[[remotes]]
name = "farm"
url = "https://gpu.example/v1"
key_env = "FARM_KEY"
models = { big = "org/Big-235B" }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mlxd.toml"
    path.write_text(text)
    return path


def test_a_remote_is_a_table_or_json(tmp_path: Path) -> None:
    (one,) = load(config=write(tmp_path, TABLE), environ={}).remotes
    assert (one.url, one.models, one.capabilities) == (
        "https://gpu.example/v1",
        {"big": "org/Big-235B"},
        ["text"],
    )
    text = '[{"name": "farm", "url": "https://gpu.example/v1", "models": {"big": "org/Big-235B"}}]'
    (other,) = load(config=write(tmp_path, ""), environ={"MLXD_REMOTES": text}).remotes
    assert other.models == one.models


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("https://gpu", "https://me:sk-secret@gpu", "a user or a password"),
        ("https://gpu", "gopher://gpu", "no address"),
        ("/v1", "/v1?key=sk-secret", "a query"),
        ("https://gpu.example/v1", "https://[", "no address"),
        ("FARM_KEY", "sk-secret", "name of an environment variable"),
        ("FARM_KEY", "sk_secret", "name of an environment variable"),
        ('key_env = "FARM_KEY"', 'key = "sk-secret"', "Did you mean key_env"),
        ('{ big = "org/Big-235B" }', "{ }", "names no model"),
        ('{ big = "org/Big-235B" }', '"sk-secret"', "models"),
        ("big =", "vision =", "is a capability"),
        ('name = "farm"\n', "", "needs a name"),
        ('url = "https://gpu.example/v1"\n', "", "needs url"),
        ('name = "farm"', 'name = "farm"\ncapabilities = ["telepathy"]', "no capability"),
        ('name = "farm"', 'name = "farm"\nconcurrency = 0', "concurrency"),
    ],
)
def test_mistakes_are_named_and_keys_are_not(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    assert before in TABLE
    with pytest.raises(SettingsError, match=told) as raised:
        load(config=write(tmp_path, TABLE.replace(before, after)), environ={})
    assert "secret" not in str(raised.value)


def test_names_are_taken_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there twice"):
        load(config=write(tmp_path, TABLE + TABLE), environ={})
    other = TABLE.replace('"farm"', '"other"')
    with pytest.raises(SettingsError, match="a model of 'farm' already"):
        load(config=write(tmp_path, TABLE + other), environ={})
