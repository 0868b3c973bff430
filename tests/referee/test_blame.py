"""A fault is planted in each of the four places, and the referee says which."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import pytest
from tests.smoke.fake import serving

from mlxd.catalog.catalogue import pilot_path
from mlxd.referee import accuse
from mlxd.referee.behind import behind
from mlxd.referee.blame import missing_from_prompt, says_the_same
from mlxd.settings import load
from mlxd.smoke import SUITES, Options, Plan, Run, Subject, judge
from mlxd.smoke.result import CheckResult, Exchange, Round

PLANTED = Path(__file__).parent / "planted"
LIMIT_S = 300
# Each starts up to four servers, and the field's library beside them.
pytestmark = pytest.mark.timeout(LIMIT_S + 60)
LAYER = "layers.0."
# The planted fault of the engine is in what it says and in what it says of its tokens.
ONLY = ("conversation.system", "logprobs.tokens", "completions.same")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    bundled = pilot_path()
    assert bundled
    return Path(shutil.copytree(bundled, tmp_path / "copy"))


def accused(model: Path, planted_in: str, monkeypatch: pytest.MonkeyPatch) -> set[str | None]:
    """Of all failed checks."""
    path = os.pathsep.join([str(PLANTED), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("PLANTED_IN", planted_in)
    plan = Plan(only=ONLY, rounds=1, options=Options(max_tokens=20))

    async def run() -> Run:
        found = (await judge([Subject(model=str(model))], plan)).runs[0]
        await accuse(found, model, load())
        return found

    checks = [one for one in asyncio.run(run()).checks if one.verdict == "FAIL"]
    assert checks
    return {one.accused.who if one.accused else None for one in checks}


def test_the_gateway(model: Path) -> None:
    """By the command, as its users ask."""
    path = os.pathsep.join([str(PLANTED), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "mlxd", "smoke", "--model", str(model), "--suite", "conversation",
         "--rounds", "1", "--max-tokens", "20", "--blame", "--format", "json", "-q"],
        env={**os.environ, "PYTHONPATH": path, "PLANTED_IN": "gateway"},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    checks = json.loads(done.stdout)["runs"][0]["checks"]
    accused = [one["accused"] for one in checks if one["verdict"] == "FAIL"]
    assert {one["who"] for one in accused} == {"gateway"}
    assert all("right by construction" in one["why"] for one in accused)


def test_the_engine(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the gateway adds much of its own: probabilities and plain completions."""
    assert accused(model, "engine", monkeypatch) == {"engine"}


def test_the_template(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = model / "chat_template.jinja"
    forgets = "{%- set messages = messages[-1:] -%}\n"
    file.write_text(forgets + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert accused(model, "", monkeypatch) == {"template"}


def test_the_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = model / "model.safetensors"
    weights = mx.load(str(file))
    assert isinstance(weights, dict)
    for name, one in weights.items():
        if LAYER in name and name.endswith("scales"):
            weights[name] = one * 0.3
    mx.save_safetensors(str(file), weights, metadata={"format": "mlx"})
    assert accused(model, "", monkeypatch) == {"model"}


def _failed_once(got: str, **changed: object) -> CheckResult:
    messages = [{"role": "user", "content": "Who are you?"}]
    asked = {"model": "fake", "messages": messages, "temperature": 0} | changed
    sent = Exchange(method="POST", url="", curl="", request=asked)
    lost = Round(number=1, verdict="FAIL", category="wrong_answer", got=got, exchanges=[sent])
    return CheckResult(
        id="multilingual.chinese", suite="multilingual", kind="behaviour", title={}, expected={},
        verdict="FAIL", planned=4, mark=0.5, rounds=[lost],
    )  # fmt: skip


async def test_who_fails_now_and_then_is_asked_the_very_same_again() -> None:
    """Fresh values may pass by chance; that is no word against the gateway."""
    with serving() as fake:
        assert await says_the_same(fake.url, _failed_once("I don't know."))
        assert await says_the_same(fake.url, _failed_once("I don't know.", stream=True))
        assert not await says_the_same(fake.url, _failed_once("I am somebody else."))
        assert not await says_the_same(fake.url, _failed_once("I don't know.", temperature=1))
    assert not await says_the_same(fake.url, _failed_once("I don't know."))


def test_a_good_template_lacks_nothing(model: Path) -> None:
    tool = {"type": "function", "function": {"name": "get_code", "parameters": {}}}
    call = {"id": "1", "type": "function", "function": {"name": "get_code", "arguments": "{}"}}
    asked = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "What is the code?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": '{"code": "KQV-4937"}'},
        ],
        "tools": [tool],
    }
    assert missing_from_prompt(model, asked) == ""
    (model / "chat_template.jinja").write_text("{{ messages[1].content }}")
    assert "message 0 (system)" in missing_from_prompt(model, asked)


async def test_with_an_engine_that_is_right_the_gateway_passes(model: Path) -> None:
    """All but what a script can't do, which is to read print."""
    plan = Plan(suites=[name for name in SUITES if name != "steady"], options=Options(timeout=60))
    async with behind(model) as url:
        run = (await judge([Subject(url=url)], plan)).runs[0]
    lost = {check.id: check.category for check in run.checks if check.verdict == "FAIL"}
    assert lost == {"vision.code": "wrong_answer"}
