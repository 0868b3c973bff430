"""`mlxd smoke --lifecycle` is itself tested: a server that does it right, and ones that do not."""

import asyncio
import json
import os
import shlex
import sys
from pathlib import Path

import pytest
from tests.processes import PATIENCE_S, beneath
from tests.supervisor.harness import fake, write_model

from mlxd.cli.lifecycle import judge
from mlxd.smoke import Options, Report
from mlxd.smoke.lifecycle import SCENES, Settled, lifecycle, scenes
from mlxd.smoke.reports import RENDER

SLOW = ("--rate", "60")


def command(folder: Path, *switches: str) -> list[str]:
    model = folder / "fake"
    if not model.exists():
        write_model(model)
    engine = json.dumps(fake(*switches))
    served = ["serve", "--model", str(model), "--port", "{port}", "--data-dir", "{scratch}"]
    return [sys.executable, "-m", "tests.chaos.gateway", engine, *served]


def run(given: str, *scenes: str) -> Report:
    only = [f"lifecycle.{name}" for name in scenes]
    return asyncio.run(
        lifecycle(
            [Settled(name="it", command=given)], options=Options(timeout=PATIENCE_S), only=only
        )
    )


def test_a_server_that_does_it_right_passes_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How quick it is, is a matter of the machine that it is asked about.
    for limit in ("ORPHAN_S", "SLACK_S"):
        monkeypatch.setattr(scenes, limit, PATIENCE_S)
    others = beneath(os.getpid(), "--fd")
    # Not those that hurt the process with the most memory: a fake engine holds no model.
    safe = [name for name in SCENES if name not in ("crash-stream", "stall-stream")]
    report = run(shlex.join(command(tmp_path, *SLOW)), *safe)
    (one,) = report.runs
    told = {
        check.id: (check.verdict, [f"{r.message} {r.got}" for r in check.rounds])
        for check in one.checks
    }
    swaps = {f"lifecycle.{name}" for name in SCENES if name.startswith("swap")}
    assert {name for name, (verdict, _) in told.items() if verdict == "SKIPPED"} == swaps
    assert [(name, told[name]) for name in told if told[name][0] in ("FAIL", "ERROR")] == []
    for _, render in RENDER.values():
        assert "lifecycle" in render(report, "en").lower()
        assert render(report, "zh")
    assert set(beneath(os.getpid(), "--fd")) <= set(others)


def test_the_real_service_goes_on_with_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half an answer is as good as a whole one to be killed in.
    monkeypatch.setattr(scenes, "CODES", 20)
    report = judge([], "", [], Options(timeout=PATIENCE_S), None, only=["crash-stream"])
    (check,) = report.runs[0].checks
    assert check.verdict == "PASS", [one.message for one in check.rounds]


@pytest.mark.parametrize(
    ("before", "switches", "scene", "told"),
    [
        # A child of its own that nothing ends.
        ("sleep 600 & exec ", (), "kill-restart", "outlive it"),
    ],
)
def test_a_server_that_does_not_is_found(
    tmp_path: Path, before: str, switches: tuple[str, ...], scene: str, told: str
) -> None:
    line = before + shlex.join(command(tmp_path, *SLOW, *switches))
    report = run(shlex.join(["sh", "-c", line]), scene)
    (check,) = report.runs[0].checks
    text = f"{check.reason} {[one.message for one in check.rounds]} {report.runs[0].error}"
    assert check.verdict in ("FAIL", "ERROR"), text
    assert told in text or "no answer after its start" in text


def test_a_server_that_does_not_start_is_an_error_with_its_last_words() -> None:
    report = judge(["echo cannot; exit 7 {port}"], "", [], Options(), None, only=[])
    assert report.exit_code == 2
    report = run("sh -c 'echo cannot do it {port}'")
    assert "cannot do it" in report.runs[0].error
