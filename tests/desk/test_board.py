"""`mlxd docs jobs -f`, as a person sees it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.terminal import Terminal

from .papers import Paper, label
from .service import PATIENCE_S, Service

pytestmark = pytest.mark.timeout(600)

COMMAND = [sys.executable, "-m", "mlxd", "docs", "jobs", "--follow"]
SHOW_CURSOR = "\x1b[?25h"


def environment() -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MLXD_")}
    return {**inherited, "MLXD_CONFIG": os.devnull, "TERM": "xterm", "COLUMNS": "120"}


def test_jobs_are_followed_in_a_terminal(service: Service) -> None:
    for job in service.finished(one["job"] for one in service.add(("old.pdf", b"%PDF-1.7 old"))):
        assert job["state"] == "failed"
    screen = Terminal([*COMMAND, "--url", str(service.http.base_url)], environment())
    try:
        screen.until("nothing is left to read")
        service.assign("vision", None)  # so that it is not read before it is paused
        paper = Paper().picture(label("SIGN 4711"), 120)
        [signs] = service.add(("signs.pdf", paper.bytes()))
        service.until_state(signs["job"], "waiting")
        service.post(f"/jobs/{signs['job']}/pause")
        screen.until("1 paused")
        service.assign("vision", "pilot")
        service.add(("broken.pdf", b"%PDF-1.7 broken"))
        screen.until("failed     broken.pdf")
        service.post(f"/jobs/{signs['job']}/resume")
        screen.until("done       signs.pdf")
        screen.until("nothing is left to read")
        screen.type("\x03")
        assert screen.ended() == 0
    except BaseException:
        screen.kill()
        raise
    assert "old.pdf" not in screen.whole, "what was over before is not news"
    assert screen.whole.rindex(SHOW_CURSOR) > screen.whole.rindex("signs.pdf")
    assert "Traceback" not in screen.whole


def test_without_a_terminal_each_change_is_a_line(service: Service, folder: Path) -> None:
    with (folder / "said").open("w+") as said:
        following = subprocess.Popen(
            [*COMMAND, "--url", str(service.http.base_url)],
            stdout=said,
            stderr=said,
            env=environment(),
        )
        try:
            # What was done before it began to listen is not told: one more, until one is.
            while "done       lines.txt" not in Path(said.name).read_text():
                assert following.poll() is None
                data = f"Line {os.urandom(8).hex()}".encode()
                service.indexed(("lines.txt", data))
            following.send_signal(signal.SIGINT)
            assert following.wait(PATIENCE_S) == 0
        finally:
            following.kill()
            following.wait(PATIENCE_S)
    text = Path(said.name).read_text()
    assert "\x1b" not in text
    assert "Traceback" not in text
