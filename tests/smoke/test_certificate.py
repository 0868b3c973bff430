from pathlib import Path

import msgspec
import pytest

from mlxd.smoke import Run, issue, why_stale
from mlxd.smoke.certificate import load, store, weights_hash
from mlxd.smoke.result import CheckResult, Round, Target

VERSIONS = {"mlxd": "0.1.0", "mlx": "0.32.4"}


def finished() -> Run:
    engine = {"versions": VERSIONS, "device": "cpu: some", "dtype": "float32"}
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
    return Run(
        target=Target(name="x", url="http://x", model="org/model", engine=engine),
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        options={},
        environment={},
        checks=[check],
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def test_a_certificate_holds_until_anything_changes(model: Path) -> None:
    held = issue(finished(), model)
    assert held.checks["basic.ok"].passed == 1
    same = {"weights": weights_hash(model), "versions": VERSIONS, "device": "cpu: some"}
    assert why_stale(held, **same) == []  # type: ignore[arg-type]
    newer = same | {"versions": VERSIONS | {"mlx": "0.33"}}
    assert why_stale(held, **newer) == ["mlx was 0.32.4, now 0.33"]  # type: ignore[arg-type]
    moved = same | {"device": "gpu"}
    assert "device" in why_stale(held, **moved)[0]  # type: ignore[arg-type]
    (model / "model.safetensors").write_bytes(b"weightz")
    changed = same | {"weights": weights_hash(model)}
    assert "weights" in why_stale(held, **changed)[0]  # type: ignore[arg-type]


def test_notes_beside_the_weights_do_not_matter(model: Path) -> None:
    before = weights_hash(model)
    (model / "README.md").write_text("new")
    assert weights_hash(model) == before


def test_it_is_found_again_by_model_and_device(model: Path, tmp_path: Path) -> None:
    held = issue(finished(), model)
    path = store(held, tmp_path / "data")
    assert load(tmp_path / "data", "org/model", "cpu: some") == held
    assert load(tmp_path / "data", "org-model", "cpu: some") is None
    path.write_text("{")
    assert load(tmp_path / "data", "org/model", "cpu: some") is None


def test_a_run_that_was_cut_short_certifies_nothing(model: Path) -> None:
    run = msgspec.structs.replace(finished(), cut_short="interrupted by SIGINT")
    with pytest.raises(ValueError, match="interrupted"):
        issue(run, model)
