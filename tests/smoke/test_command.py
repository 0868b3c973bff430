"""The command as its users see it: a process with arguments, signals and an exit code."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from bench.models import SHAPES, write_model
from tests.processes import anywhere, words

from mlxd.cli.smoke import SIGNALS, _interruptible
from mlxd.smoke import from_json

from .fake import serving

OURS = ("MLX_", "MAX_TOKENS", "TEMPERATURE", "TOP_P", "OPENAI_API_KEY")
# Far longer than any of it takes: the machine may be busy.
LIMIT_S = 300
pytestmark = pytest.mark.timeout(LIMIT_S + 60)
SUFFIXES = ("md", "html", "json", "xml")


async def started(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mlxd", "smoke", *arguments,
        env=clean | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def smoke(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = await started(*arguments, **environment)
    async with asyncio.timeout(LIMIT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_it_passes_and_writes_every_report(tmp_path: Path) -> None:
    with serving() as fake:
        code, _, err = await smoke("--url", fake.url, "--suite", "core", "--report", str(tmp_path))
    assert code == 0, err
    assert "PASS" in err
    assert {path.rpartition(".")[2] for path in os.listdir(tmp_path)} == set(SUFFIXES)


async def test_a_failure_ends_with_1_and_no_server_with_2() -> None:
    with serving("no-done") as fake:
        code, out, _ = await smoke(
            "--url", fake.url, "--suite", "streaming", "--format", "md", "-q"
        )
    assert code == 1
    assert "has no [DONE]" in out
    code, _, err = await smoke("--url", fake.url)
    assert code == 2
    assert "server down" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nope"],
        ["--rounds", "0"],
        ["--suite", "nonsense"],
        ["no-such-file.json"],
        ["--url", "http://["],
    ],
)
async def test_wrong_usage_ends_with_64(arguments: list[str]) -> None:
    code, out, err = await smoke(*arguments)
    assert code == 64
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_cut_off_in_a_round_it_leaves_a_whole_report(
    number: signal.Signals, tmp_path: Path
) -> None:
    with serving("hang-after-headers") as fake:
        process = await started("--url", fake.url, "--report", str(tmp_path))
        assert process.stderr
        # health.model has passed, so the next check is in the middle of its hanging request.
        while b"health.model " not in await process.stderr.readline():
            assert process.returncode is None
        process.send_signal(number)
        async with asyncio.timeout(LIMIT_S):
            await process.communicate()
    assert process.returncode == 2
    run = from_json((tmp_path / "smoke.json").read_bytes()).runs[0]
    assert run.cut_short == f"interrupted by {number.name}"
    assert [check.verdict for check in run.checks[:2]] == ["PASS", "PASS"]
    assert all(check.verdict == "SKIPPED" for check in run.checks[2:])
    markdown = (tmp_path / "smoke.md").read_text(encoding="utf-8")
    assert f"interrupted by {number.name}" in markdown
    assert "## Conclusion" in markdown
    assert "RUNNING" not in markdown


async def test_the_variables_of_older_scripts_work() -> None:
    with serving() as fake:
        code, out, _ = await smoke(
            "--suite", "basic", "--format", "json", "-q",
            MLX_BASE_URL=f"{fake.url}/v1", MLX_MODEL_ID="fake", MLX_MODEL_PATH="/models/ignored",
            MLX_MAX_TOKENS="77", TEMPERATURE="0.25", TOP_P="0.9",
        )  # fmt: skip
        assert code == 0
        options = json.loads(out)["runs"][0]["options"]
        assert (options["max_tokens"], options["temperature"], options["top_p"]) == (77, 0.25, 0.9)
        _, out, _ = await smoke(
            "--suite", "basic", "--format", "json", "-q",
            MLX_BASE_URL=fake.url, MAX_TOKENS="55", MLX_MAX_TOKENS="77", MLX_MODEL_PATH="fake",
        )  # fmt: skip
    found = json.loads(out)["runs"][0]
    assert found["options"]["max_tokens"] == 55
    assert found["target"]["model"] == "fake"


async def test_earlier_results_are_put_side_by_side(tmp_path: Path) -> None:
    for name, fault in (("good", ""), ("bad", "finish-null")):
        with serving(fault) as fake:
            where = str(tmp_path / name)
            await smoke("--url", f"{name}={fake.url}", "--suite", "health", "--report", where)
    files = [str(tmp_path / name / "smoke.json") for name in ("good", "bad")]
    code, out, _ = await smoke("--compare", *files, "--format", "md", "-q")
    assert code == 1
    assert "| health.answer | PASS 1/1 | FAIL 0/1 (wire format) |" in out


async def test_a_server_started_for_a_model_is_gone_afterwards(tmp_path: Path) -> None:
    model = write_model(tmp_path / "tiny", SHAPES["tiny"])
    code, out, err = await smoke(
        "--model", str(model), "--suite", "health", "--format", "json", "-q"
    )
    assert code == 0, err
    assert json.loads(out)["runs"][0]["target"]["started_by_us"]
    assert _serving(model) == []


async def test_ctrl_c_while_the_model_loads_leaves_nothing_behind(tmp_path: Path) -> None:
    model = write_model(tmp_path / "tiny", SHAPES["tiny"])
    process = await started("--model", str(model), "--format", "md")
    assert process.stderr
    async with asyncio.timeout(LIMIT_S):
        assert b"starting mlxd serve" in await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert process.returncode == 2
    assert b"interrupted by SIGINT" in out
    assert _serving(model) == []


async def test_a_model_that_does_not_start_is_an_error_with_the_servers_own_words(
    tmp_path: Path,
) -> None:
    code, out, _ = await smoke("--model", str(tmp_path / "nothing"), "--format", "md", "-q")
    assert code == 2
    assert "mlxd serve did not start" in out
    assert "nothing" in out


def _serving(model: Path) -> list[int]:
    """Processes that serve this model, smoke itself not among them."""
    ours = {"smoke", "pytest"}
    return [one.pid for one in anywhere(str(model)) if not ours & set(words(one))]


def test_a_signal_while_it_is_sought_whose_fault_it_is_costs_no_report() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        for number in SIGNALS:
            with _interruptible():
                signal.raise_signal(number)
                pytest.fail("it went on")
            assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= set(SIGNALS)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    assert signal.getsignal(signal.SIGTERM) == before
