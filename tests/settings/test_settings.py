from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd import settings
from mlxd.settings import SettingsError, load


@pytest.fixture(autouse=True)
def _no_file_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "default_config_file", lambda: tmp_path / "absent.toml")


def write(folder: Path, text: str) -> Path:
    path = folder / "mlxd.toml"
    path.write_text(text)
    return path


def test_later_wins_and_each_value_knows_its_source(tmp_path: Path) -> None:
    path = write(tmp_path, "[server]\nport = 1\nhost = 'a'\nbody_limit = '2MiB'\n")
    made = load(
        config=path,
        environ={"MLXD_SERVER_PORT": "2", "MLXD_SERVER_HOST": "b"},
        flags={"server.port": 3, "server.host": None},
    )
    assert (made.server.port, made.server.host, made.server.body_limit) == (3, "b", 2 << 20)
    assert made.sources["server.port"] == "--port"
    assert made.sources["server.host"] == "MLXD_SERVER_HOST"
    assert made.sources["server.body_limit"] == str(path)
    assert made.sources["server.token"] == "default"


@pytest.mark.parametrize(
    ("text", "environ", "told"),
    [
        ("[server]\nprot = 1", {}, r"server\.prot .* Did you mean server\.port\?"),
        ("[severs]\nport = 1", {}, "severs"),
        ("", {"MLXD_SERVER_PROT": "1"}, "MLXD_SERVER_PROT .* MLXD_SERVER_PORT"),
        ("[server]\nport = 'x'", {}, "server.port .*Expected int"),
        ("[server]\nport = 70000", {}, "server.port .*65535"),
        ("", {"MLXD_ENGINE_WEIGHTS": "float64"}, "expected one of auto, float32, as-is"),
        ("", {"MLXD_ENGINE_KV_BUDGET": "much"}, "512MiB"),
        ("[server", {}, "not valid TOML"),
        ("[[models]]\nalias = 'a'", {}, "needs a name"),
        ("[[models]]\nname = 'a'\nalas = 'b'", {}, "Did you mean alias"),
        ("models = 5", {}, "list"),
        ("server = 5", {}, "server"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load(config=write(tmp_path, text), environ=environ)


def test_a_missing_file_is_an_error_only_when_it_was_named(tmp_path: Path) -> None:
    assert load(environ={}).server.port == 60315
    with pytest.raises(SettingsError, match="no settings file"):
        load(config=tmp_path / "none.toml", environ={})
    with pytest.raises(SettingsError, match="no settings file"):
        load(environ={"MLXD_CONFIG": str(tmp_path / "none.toml")})


def test_models_by_name_or_table(tmp_path: Path) -> None:
    path = write(tmp_path, "[[models]]\nname = 'a'\nalias = 'b'\nidle_timeout = 5\npin = true\n")
    (model,) = load(config=path, environ={}).models
    assert (model.name, model.alias, model.idle_timeout, model.pin) == ("a", "b", 5.0, True)
    assert [m.name for m in load(environ={"MLXD_MODELS": "x, y"}).models] == ["x", "y"]


def test_lists_switches_and_nothing_in_the_environment() -> None:
    made = load(
        environ={
            "MLXD_SERVER_ALLOWED_ORIGINS": "http://a, http://b",
            "MLXD_IMAGES_ALLOW_HTTP": "on",
            "MLXD_SERVER_V1_PORT": "",
        }
    )
    assert made.server.allowed_origins == ["http://a", "http://b"]
    assert made.images.allow_http is True
    assert made.server.v1_port is None


def test_a_secret_is_not_printed() -> None:
    assert settings.redacted("server.token", "abc") == "(set)"
    with pytest.raises(SettingsError) as told:
        load(environ={}, flags={"server.token": ["abc"]})
    assert "abc" not in str(told.value)


@given(st.dictionaries(st.sampled_from(list(settings.known_keys())), st.text(), max_size=4))
def test_any_text_is_taken_or_refused_with_its_name(given_values: dict[str, str]) -> None:
    environ = {settings.environment_name(key): value for key, value in given_values.items()}
    try:
        made = load(environ=environ)
    except SettingsError as error:
        assert any(key in str(error) for key in given_values)  # noqa: PT017
    else:
        assert all(made.sources[key] != "default" for key in given_values)
