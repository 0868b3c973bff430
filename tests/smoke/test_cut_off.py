"""Cut off at any moment, by the user or by the server's end, it leaves a whole report."""

import asyncio
import random
import signal
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mlxd.smoke import Run, from_json
from mlxd.smoke.checks import SUITES

from .edit import Edit
from .fake import Fake, serving
from .test_command import LIMIT_S, started

pytestmark = pytest.mark.timeout(LIMIT_S + 60)
ALL = sum(len(suite.checks) for suite in SUITES.values())
# A whole run asks more than two hundred times.
MOMENTS = [3, 58, 131]
MANY_MOMENTS = sorted(random.Random(7).sample(range(1, 200), 20))
SOAKED = [pytest.param(one, marks=pytest.mark.soak) for one in MANY_MOMENTS]


class _At(Edit):
    """Tells when the nth request is there, which then waits for its end."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked = 0
        self.there = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        with fake.lock:
            self.asked += 1
            now = self.asked == self.number
        if now:
            self.loop.call_soon_threadsafe(self.there.set)
            fake.closing.wait(LIMIT_S)
        return None


def whole(folder: Path) -> Run:
    """The result, once every report is there and complete."""
    run = from_json((folder / "smoke.json").read_bytes()).runs[0]
    assert len(run.checks) == ALL
    assert {check.verdict for check in run.checks} <= {"PASS", "FAIL", "ERROR", "SKIPPED"}
    assert all(check.reason for check in run.checks if check.verdict in ("ERROR", "SKIPPED"))
    xml = ET.parse(folder / "smoke.xml")
    assert len(xml.findall(".//testcase")) == ALL + 1
    assert xml.find(".//testcase[@name='run']/error") is not None
    assert (folder / "smoke.html").read_text(encoding="utf-8").endswith("</html>\n")
    text = (folder / "smoke.md").read_text(encoding="utf-8")
    assert "## Conclusion" in text
    assert "RUNNING" not in text
    return run


@pytest.mark.parametrize("moment", [*MOMENTS, *SOAKED])
async def test_a_signal_at_any_moment(moment: int, tmp_path: Path) -> None:
    number = signal.SIGINT if moment % 2 else signal.SIGTERM
    edit = _At(moment)
    with serving(edit=edit) as fake:
        process = await started("--url", fake.url, "--report", str(tmp_path))
        async with asyncio.timeout(LIMIT_S):
            await edit.there.wait()
            process.send_signal(number)
            _, err = await process.communicate()
    assert process.returncode in (1, 2), err.decode()
    run = whole(tmp_path)
    assert run.cut_short == f"interrupted by {number.name}"
    assert run.count("PASS") > 0 or moment < 6
    assert run.checks[-1].verdict == "SKIPPED"


class _Dies(_At):
    """The whole server is gone: what is under way breaks, and nothing listens any more."""

    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        from .fake import Hangup

        with fake.lock:
            self.asked += 1
            dead = self.asked >= self.number
        if dead:
            fake.socket.close()
            raise Hangup
        return None


@pytest.mark.parametrize("moment", [*MOMENTS[::2], *SOAKED[::2]])
async def test_the_server_dies_at_any_moment(moment: int, tmp_path: Path) -> None:
    with serving(edit=_Dies(moment)) as fake:
        process = await started("--url", fake.url, "--report", str(tmp_path))
        async with asyncio.timeout(LIMIT_S):
            await process.communicate()
    run = whole(tmp_path)
    assert run.verdict in ("FAIL", "ERROR")
    assert "the server is gone" in run.cut_short
    # The printed code fails without that: from another process the fake can't read it.
    lost = [one for one in run.checks if one.verdict in ("FAIL", "ERROR")]
    expected = {"vision.code": {"wrong_answer", "server_down"}}
    assert lost
    assert all(one.category in expected.get(one.id, {"server_down"}) for one in lost)
    assert "server_down" in {round_.category for round_ in lost[-1].rounds}


async def test_a_signal_before_the_first_check(tmp_path: Path) -> None:
    """From where the command has begun, it is kept until there is a run that it can end."""
    with serving(edit=_At(0)) as fake:
        process = await started("--url", fake.url, "--report", str(tmp_path))
        async with asyncio.timeout(LIMIT_S):
            await asyncio.to_thread(_until_held, process.pid)
            process.send_signal(signal.SIGTERM)
            _, err = await process.communicate()
    assert process.returncode == 2, err.decode()
    assert whole(tmp_path).cut_short == "interrupted by SIGTERM"


def _until_held(pid: int) -> None:
    while not _held(pid):
        time.sleep(0.002)


def _held(pid: int) -> bool:
    """Blocked, or caught already."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    mask = int(told["SigBlk"], 16) | int(told["SigCgt"], 16)
    return bool(mask >> (signal.SIGTERM - 1) & 1)


async def test_a_second_signal_while_the_report_is_written_costs_nothing(tmp_path: Path) -> None:
    edit = _At(30)
    with serving(edit=edit) as fake:
        process = await started("--url", fake.url, "--report", str(tmp_path))
        async with asyncio.timeout(LIMIT_S):
            await edit.there.wait()
            for _ in range(3):
                process.send_signal(signal.SIGINT)
            await process.communicate()
    assert whole(tmp_path).cut_short == "interrupted by SIGINT"
