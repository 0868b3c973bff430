"""A certificate says what was proved, and says so when that does not hold any more."""

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

import mlxd
from mlxd.catalog import certificate
from mlxd.catalog.certificate import Certificates, Machine
from mlxd.cli.certified import certified, line
from mlxd.cli.certify import certify
from mlxd.smoke import Run
from mlxd.smoke.result import CheckResult, Round, Target

VERSIONS = certificate.installed(mlxd.__version__)
DEVICE = "cpu: some"
NOW = Machine(versions=VERSIONS, device=DEVICE, dtype="float32")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def finished(folder: Path, **engine: Any) -> Run:
    told = {"versions": VERSIONS, "device": DEVICE, "dtype": "float32"} | engine
    check = CheckResult(
        id="basic.ok",
        suite="basic",
        kind="behaviour",
        title={},
        expected={},
        verdict="PASS",
        planned=1,
        mark=1.0,
        rounds=[Round(number=1, verdict="PASS")],
    )
    listed = {"id": "org/model", "path": str(folder)}
    return Run(
        target=Target(
            name="x", url="http://127.0.0.1:1", model="org/model", listed=listed, engine=told
        ),
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        options={},
        environment={},
        checks=[check],
    )


def settled(certificates: Certificates, folder: Path, now: Machine = NOW) -> list[str]:
    """What is stale once everything has been read that had to be."""
    certificates.of("org/model", folder, now)
    certificates.wait()
    found = certificates.of("org/model", folder, now)
    assert found
    return found[1]


def test_it_holds_until_anything_changes(model: Path, data_dir: Path) -> None:
    certify(finished(model), data_dir)
    kept = Certificates(data_dir)
    assert settled(kept, model) == []
    newer = msgspec.structs.replace(NOW, versions=VERSIONS | {"mlx": "99"})
    assert settled(kept, model, newer) == [f"mlx was {VERSIONS['mlx']}, now 99"]
    moved = msgspec.structs.replace(NOW, device="gpu: other")
    assert settled(kept, model, moved) == [f"the device was {DEVICE!r}, now 'gpu: other'"]
    other = msgspec.structs.replace(NOW, dtype="bfloat16")
    assert settled(kept, model, other) == ["the weights were held as float32, now as bfloat16"]


def test_an_edited_weight_file_is_noticed_whatever_its_size_and_time_say(
    model: Path, data_dir: Path
) -> None:
    certify(finished(model), data_dir)
    file = model / "model.safetensors"
    before = file.stat()
    with file.open("r+b") as stream:
        stream.write(b"weightz")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    kept = Certificates(data_dir)
    found = kept.of("org/model", model, NOW)
    assert found
    assert "is being read" in found[1][0], "nothing is promised before the file was read"
    assert settled(kept, model) == ["model.safetensors is not the file that was judged"]


def test_a_file_written_anew_with_the_same_content_is_still_what_was_judged(
    model: Path, data_dir: Path
) -> None:
    certify(finished(model), data_dir)
    os.utime(model / "model.safetensors")
    assert settled(Certificates(data_dir), model) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("chat_template.jinja", "chat_template.jinja was not there when it was judged"),
        ("README.md", None),
    ],
)
def test_a_new_file_matters_where_it_decides_the_answers(
    name: str, told: str | None, model: Path, data_dir: Path
) -> None:
    certify(finished(model), data_dir)
    (model / name).write_text("new")
    assert settled(Certificates(data_dir), model) == ([told] if told else [])


def test_a_file_or_a_folder_that_is_gone(model: Path, data_dir: Path) -> None:
    certify(finished(model), data_dir)
    (model / "config.json").unlink()
    assert settled(Certificates(data_dir), model) == ["config.json is gone"]
    shutil.rmtree(model)
    assert "model.safetensors is gone" in settled(Certificates(data_dir), model)


def test_weights_that_were_judged_before_are_not_read_again(
    model: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = certify(finished(model), data_dir)
    (model / "config.json").write_text('{"other": 1}')
    read = []
    monkeypatch.setattr(certificate, "_hash", lambda file: read.append(file.name) or "0" * 64)
    assert certify(finished(model), data_dir) == first
    assert read == ["config.json"]


def test_what_an_engine_loaded_before_a_file_was_changed_is_not_certified(
    model: Path, data_dir: Path
) -> None:
    started = (model / "model.safetensors").stat().st_mtime - 5
    with pytest.raises(ValueError, match="changed after the engine had loaded"):
        certify(finished(model, started_at=started), data_dir)


def test_a_run_that_was_cut_short_and_a_server_elsewhere_certify_nothing(
    model: Path, data_dir: Path
) -> None:
    run = msgspec.structs.replace(finished(model), cut_short="interrupted by SIGINT")
    with pytest.raises(ValueError, match="interrupted"):
        certify(run, data_dir)
    run = finished(model)
    run.target.url = "http://10.0.0.7:60315"
    assert certify(run, data_dir) is None


def test_each_device_has_its_own_and_a_broken_one_is_none(model: Path, data_dir: Path) -> None:
    path = certify(finished(model), data_dir)
    other = certify(finished(model, device="gpu: other"), data_dir)
    assert path
    assert path != other
    assert certificate.load(data_dir, "org/model", DEVICE)
    path.write_text("{")
    assert certificate.load(data_dir, "org/model", DEVICE) is None
    assert certificate.load(data_dir, "org-model", DEVICE) is None


def test_the_command_line_tells_it_without_a_service(model: Path, data_dir: Path) -> None:
    assert line(certified(data_dir, "org/model", model)).startswith("no certificate")
    certify(finished(model), data_dir)
    told = line(certified(data_dir, "org/model", model))
    assert told == f"certificate of 2026-01-01 on {DEVICE}: PASS (1 passed, 0 failed, 0 skipped)"
    (model / "model.safetensors").write_bytes(b"WEIGHTS")
    told = line(certified(data_dir, "org/model", model))
    assert told.endswith("; stale: model.safetensors is not the file that was judged")
