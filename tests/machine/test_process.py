"""What a process asks of the system about itself."""

import os
import subprocess
import sys
from pathlib import Path

GROUP = Path("/proc/self/autogroup")


def test_work_that_nobody_looks_at_gets_a_smaller_share() -> None:
    code = (
        "import os, pathlib; from mlxd.machine.process import let_others_go_first as go; go(); "
        f"group = pathlib.Path({str(GROUP)!r}); "
        "print(os.nice(0), group.read_text() if group.exists() else '')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    mine, _, group = done.stdout.partition(" ")
    assert int(mine) == min(os.nice(0) + 5, 19)
    if GROUP.exists() and group.startswith("/autogroup"):
        assert group.split()[-1] == "5"
