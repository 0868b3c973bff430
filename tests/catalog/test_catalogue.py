import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlxd.catalog import BrokenModel, Catalogue, NameUnknown, NotDownloaded, inspect
from mlxd.catalog import catalogue as module
from mlxd.settings import ModelSettings

HUB = "mlx-community/Qwen3-VL-4B-Instruct-3bit"


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(module, "pilot_path", lambda: None)
    return tmp_path / "hub"


def shard(path: Path, *, missing_bytes: int = 0) -> None:
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8 - missing_bytes))


def write(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    text = {"model_type": "qwen3", "max_position_embeddings": 4096, **config}
    (folder / "config.json").write_text(json.dumps(text))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{% for tool in tools %}{% endfor %}")
    shard(folder / "model.safetensors")
    return folder


def cached(hub: Path, name: str, **config: object) -> Path:
    repository = hub / ("models--" + name.replace("/", "--"))
    folder = write(repository / "snapshots" / "abc", **config)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    return folder


def test_alias_hub_id_and_folder_mean_the_same_model(hub: Path) -> None:
    folder = cached(hub, HUB, vision_config={}, text_config={"max_position_embeddings": 9})
    catalogue = Catalogue()
    entry = catalogue.find("qwen3-vl-4b")
    assert catalogue.find(HUB) is entry
    assert catalogue.find(str(folder)) is entry
    assert Catalogue().find(str(folder)) == entry
    assert entry.id == HUB
    assert entry.aliases == ["qwen3-vl-4b"]
    assert entry.context == 9
    assert entry.capabilities == ["text", "vision", "tool_use", "structured_output"]
    assert entry.size_bytes > 0
    assert catalogue.available() == ["qwen3-vl-4b"]


def test_a_folder_by_any_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "models" / "small")
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    catalogue = Catalogue()
    entry = catalogue.find("models/small")
    for name in (str(folder), "./models/small", "link", f"{folder}/", "small"):
        assert catalogue.find(name) is entry


def test_two_folders_of_one_name(tmp_path: Path) -> None:
    folders = [write(tmp_path / parent / "small") for parent in "ab"]
    catalogue = Catalogue([ModelSettings(name=str(folder)) for folder in folders])
    assert [entry.id for entry in catalogue.configured] == ["small", "b/small"]


def test_settings_give_aliases_and_capabilities(tmp_path: Path) -> None:
    wanted = ModelSettings(name=str(write(tmp_path / "m")), alias="mine", capabilities=["code"])
    catalogue = Catalogue([wanted])
    entry = catalogue.find("mine")
    assert entry is catalogue.find("m") is catalogue.configured[0]
    assert entry.capabilities == ["code"]


def test_a_client_opens_no_folder_that_was_not_named(tmp_path: Path, hub: Path) -> None:
    folder = write(tmp_path / "m")
    cached(hub, "org/name")
    catalogue = Catalogue()
    with pytest.raises(NameUnknown):
        catalogue.find(str(folder), any_folder=False)
    assert catalogue.find("org/name", any_folder=False).id == "org/name"
    entry = catalogue.find(str(folder))
    assert catalogue.find(str(folder), any_folder=False) is entry


@pytest.mark.parametrize("name", ["a/\0", "\0", "a/" + "b" * 5000, "../..", "a/..", "~/x", "a/b/c"])
def test_no_name_that_a_client_makes_up_is_more_than_unknown(name: str) -> None:
    with pytest.raises(NameUnknown):
        Catalogue().find(name, any_folder=False)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NameUnknown, match="no model named 'nope' here"):
        Catalogue().find("nope")
    with pytest.raises(NotDownloaded, match="mlxd models pull qwen3-vl-4b"):
        Catalogue().find("qwen3-vl-4b")
    with pytest.raises(NotDownloaded, match="neither a folder"):
        Catalogue().find("some/thing")
    with pytest.raises(BrokenModel, match="no such folder"):
        Catalogue().find(str(tmp_path / "absent"))
    with pytest.raises(NameUnknown):
        Catalogue().find("pilot")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "config.json").write_text("{"), "config.json is not valid JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "no JSON object"),
        (lambda f: (f / "config.json").write_text("{}"), "no model_type"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "are PyTorch"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "cut off"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 100), "cut off or no"),
        (lambda f: (f / "model.safetensors").write_bytes(bytes([2] + [0] * 7) + b"[]"), "damaged"),
        (lambda f: shard(f / "model.safetensors", missing_bytes=3), "cut off: .* of .* bytes"),
        (
            lambda f: (f / "model.safetensors.index.json").write_text(
                json.dumps({"weight_map": {"a": "one.safetensors", "b": "model.safetensors"}})
            ),
            r"1 of 2 weight files are missing \(one.safetensors\)",
        ),
    ],
)
def test_a_broken_folder_says_what_it_lacks(tmp_path: Path, damage, told: str) -> None:  # type: ignore[no-untyped-def]
    folder = write(tmp_path / "m")
    damage(folder)
    with pytest.raises(BrokenModel, match=told):
        inspect(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    folder.chmod(0)
    try:
        with pytest.raises(BrokenModel, match="Permission denied"):
            inspect(folder)
    finally:
        folder.chmod(0o700)


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    with pytest.raises(BrokenModel, match="it is a file"):
        inspect(folder / "config.json")


def test_capabilities_by_kind(tmp_path: Path) -> None:
    plain = write(tmp_path / "p")
    (plain / "chat_template.jinja").unlink()
    assert inspect(plain).capabilities == ["text", "structured_output"]


@pytest.mark.parametrize(
    ("name", "config", "capabilities"),
    [
        ("e", {"architectures": ["BertModel"]}, ["embedding"]),
        ("e", {"architectures": ["Qwen3Model"]}, ["embedding"]),
        ("Qwen3-Embedding-0.6B-4bit-DWQ", {}, ["embedding"]),
        ("embeddinggemma", {"model_type": "gemma3_text", "architectures": ["Gemma3TextModel"]},
         ["embedding"]),
        ("house_embed_v2", {}, ["embedding"]),
        ("Qwen3-0.6B", {"architectures": ["Qwen3ForCausalLM"]},
         ["text", "tool_use", "structured_output"]),
        ("story-of-embedded-systems", {}, ["text", "tool_use", "structured_output"]),
        ("gpt2-embedding-demo", {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]},
         ["text", "tool_use", "structured_output"]),
    ],
)  # fmt: skip
def test_an_embedding_model_is_known_without_its_pooling_files(
    hub: Path, tmp_path: Path, name: str, config: dict[str, object], capabilities: list[str]
) -> None:
    assert inspect(write(tmp_path / name, **config)).capabilities == capabilities
    assert inspect(cached(hub, f"org/{name}", **config)).capabilities == capabilities


def test_a_reranker_is_not_offered(tmp_path: Path) -> None:
    """No engine serves one, so nothing may be assigned to it."""
    folder = write(tmp_path / "r", architectures=["XLMRobertaForSequenceClassification"])
    with pytest.raises(BrokenModel, match="it is a reranker"):
        inspect(folder)


@pytest.mark.parametrize(
    ("damage", "again"),
    [
        (lambda f: (f / "model.safetensors").unlink(), True),
        (lambda f: shard(f / "model.safetensors", missing_bytes=3), True),
        (lambda f: (f / "config.json").write_text('{"model_type": "unheard-of"}'), False),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "a", "model_file": "x.py"}'),
            False,
        ),
        (lambda f: (f / "model.safetensors").rename(f / "model.gguf"), False),
    ],
)
def test_a_download_is_advised_only_where_it_helps(hub: Path, damage: object, again: bool) -> None:
    folder = cached(hub, "org/some")
    assert callable(damage)
    damage(folder)
    with pytest.raises(BrokenModel) as caught:
        Catalogue().find("org/some")
    assert caught.value.lasting is not again
    assert ("mlxd models pull org/some" in str(caught.value)) is again


def test_a_repository_that_may_not_be_entered_is_told_as_that(hub: Path) -> None:
    """It is no download that has not ended: another one would not help."""
    cached(hub, "org/some")
    blobs = hub / "models--org--some" / "blobs"
    blobs.mkdir()
    (blobs / "a").write_bytes(b"a" * 1000)
    code = (
        "from mlxd.catalog import Catalogue;"
        "print([one.reasons for one in Catalogue().found() if one.hub == 'org/some'])"
    )
    alone: list[str] = []
    if os.geteuid() == 0:
        alone = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        if not shutil.which(alone[0]) or subprocess.run([*alone, "true"]).returncode:
            pytest.skip("setpriv is needed, to be somebody who may not enter every folder")
    snapshots = hub / "models--org--some" / "snapshots"
    snapshots.chmod(0)
    try:
        told = subprocess.run(
            [*alone, sys.executable, "-c", code], capture_output=True, text=True, timeout=250
        )
    finally:
        snapshots.chmod(0o755)
    assert f"{snapshots} can't be read (Permission denied)" in told.stdout, told.stderr
