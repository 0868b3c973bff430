"""The catalogue file: what the shipped one must have, and how the user's own is read."""

from pathlib import Path

import pytest

from mlxd.catalog import Catalogue, CatalogueError
from mlxd.catalog.listing import KNOWN, is_hub_id, known_models


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def own(folder: Path, text: str) -> Path:
    file = folder / "catalogue.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_default_is_the_one_that_applications_were_promised() -> None:
    (default,) = [model for model in known_models().values() if model.default]
    assert default.alias == "qwen3-vl-4b"
    assert default.hub == "mlx-community/Qwen3-VL-4B-Instruct-3bit"
    assert default.capabilities == ["text", "vision", "tool_use", "structured_output"]
    assert default.size is not None
    assert default.context is not None


def test_the_shipped_models_cover_every_capability_and_say_what_they_are() -> None:
    models = list(known_models().values())
    assert len(models) >= 20
    # No engine ranks by itself: the one that is made for it is told as what can be done with it.
    assert {one for model in models for one in model.capabilities} == {*KNOWN} - {"reranker"}
    assert [model.alias for model in models if "rank" in (model.note or "")]
    for model in models:
        assert model.size
        assert model.memory
        assert model.memory > model.size
        assert model.context
        assert model.licence
        assert is_hub_id(model.hub)
    assert len({model.hub for model in models}) == len(models)


def test_the_users_file_adds_and_overrides_field_by_field(tmp_path: Path) -> None:
    file = own(
        tmp_path,
        """
        [[model]]
        alias = "qwen3-vl-4b"
        hub = "mlx-community/Qwen3-VL-4B-Instruct-8bit"

        [[model]]
        alias = "house"
        hub = "ours/house-model"
        size = "1.5 GiB"
        capabilities = ["text"]
        """,
    )
    models = known_models(file)
    assert models["qwen3-vl-4b"].hub == "mlx-community/Qwen3-VL-4B-Instruct-8bit"
    assert models["qwen3-vl-4b"].context == known_models()["qwen3-vl-4b"].context
    # True of the shipped conversion alone.
    assert models["qwen3-vl-4b"].size is None
    assert models["qwen3-vl-4b"].memory is None
    assert models["house"].size == 3 * 2**29
    assert Catalogue(own=file).hub_id("HOUSE") == "ours/house-model"


def test_the_usual_place_is_beside_the_settings(tmp_path: Path) -> None:
    from mlxd.settings import default_config_file

    folder = default_config_file().parent
    folder.mkdir(parents=True)
    own(folder, '[[model]]\nalias = "house"\nhub = "ours/house-model"\n')
    assert known_models()["house"].hub == "ours/house-model"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[model]]\nalias = "a"\n', r"the model 'a' needs a hub id"),
        ('[[model]]\nhub = "a/b"\n', r"line 1: alias of model 1 is missing"),
        ('\n\n[[model]]\nhub = "a/b"\n', r"line 3: alias of model 1 is missing"),
        (
            '[[model]]\nalias = "a"\nhub = "a/b"\n\n[[model]]\nalias = "b"\nhub = "b"\n',
            r"line 7: hub of model 2 is 'b': expected a hub id",
        ),
        (
            '[[model]]\nalias = "a"\nhub = "a/b"\ncontxt = 5\n',
            r"line 4: contxt of model 1 is no field of a model; did you mean context\?",
        ),
        (
            '[[model]]\nalias = "a"\nhub = "a/b"\ncapabilities = ["visoin"]\n',
            r"line 4: .*'visoin' is no capability; did you mean vision\?",
        ),
        ('[[model]]\nalias = "a"\nhub = "a/b"\nsize = "big"\n', r"line 4: .*expected a size"),
        ('[[model]]\nalias = "a"\nhub = "a/b"\nsize = true\n', r"line 4: .*expected a size"),
        ('[[model]]\nalias = "a"\nhub = "a/b"\ncontext = 0\n', r"line 4: .*over 0"),
        ('[[model]]\nalias = "a"\nhub = "a/b"\nverified = "yes"\n', r"line 4: .*true or false"),
        ('[[model]]\nalias = "a"\nhub = "a/b"\nlicence = ""\n', r"line 4: .*some text"),
        ('[[model]]\nalias = "a"\nhub = "a/b"\nparameters = 4\n', r"line 4: .*such as"),
        ('[[model]]\nalias = "vision"\nhub = "a/b"\n', r"line 2: .*means something else"),
        ('[[model]]\nalias = "a/b"\nhub = "a/b"\n', r"line 2: .*without a slash"),
        (
            '[[model]]\nalias = "a"\nhub = "a/b"\n[[model]]\nalias = "a"\nhub = "a/c"\n',
            r"line 5: alias of model 2 'a' is there twice",
        ),
        ('[[models]]\nalias = "a"\n', r"line 1: 'models' has no meaning here"),
        ('[model]\nalias = "a"\n', r"as a table under \[\[model\]\]"),
        ("[[model]]\nalias = \n", r"not valid TOML: .*line 2"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    file = own(tmp_path, text)
    with pytest.raises(CatalogueError, match=told) as raised:
        known_models(file)
    assert str(file) in str(raised.value)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="There is no catalogue file"):
        known_models(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("org/name", True),
        ("mlx-community/Qwen3-VL-4B-Instruct-3bit", True),
        ("a/b.c_d-e", True),
        ("name", False),
        ("a/b/c", False),
        ("a/..", False),
        ("a/b--c", False),
        ("-a/b", False),
        ("a/b.git", False),
        ("a/" + "b" * 100, False),
        ("a/b\0", False),
        ("a/b c", False),
    ],
)
def test_what_is_a_hub_id(name: str, fits: bool) -> None:
    assert is_hub_id(name) is fits
