"""The child in which grammars are tried: what it takes, and that it ends with its engine."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tests.processes import POLL_S, runs

from mlxd.engine.text.grammars import LIMITS
from mlxd.engine.text.trial import Trial


@pytest.mark.parametrize("special", [[0], [0, 1, 2], [100], [999]])
def test_control_tokens_may_stand_anywhere_in_the_vocabulary(special: list[int]) -> None:
    """Models of the SentencePiece kind have them first, others last."""
    tried = Trial(1000, special, LIMITS)
    wanted = {"lark_grammar": f'start: "a" /[0-9]+/ "bc" <[{special[0]}]>'}
    assert tried.complaint(json.dumps({"grammars": [wanted]})) == ""
    tried.close()


ENGINE = """
import json, os, sys, threading
from mlxd.engine.text import trial

trial.SECONDS = 600.0
limits = dict(json.loads(sys.argv[1]), initial_lexer_fuel=10**12, max_grammar_size=10**9)
here = trial.Trial(300, [0], limits)
names = [f"r{i}" for i in range(400_000)]
rules = "\\n".join([f"start: {'|'.join(names)}", *(f'{name}: "{name}" "b"' for name in names)])
small, large = (json.dumps({"grammars": [{"lark_grammar": g}]}) for g in ('start: "a"', rules))
assert not (complaint := here.complaint(small)), complaint
print(here._child.pid, flush=True)
print(here.complaint(large), flush=True)
"""


def test_a_killed_engine_leaves_no_trial_under_way() -> None:
    """Judged by the processor time that it still takes, of many seconds that the grammar would."""
    command = [sys.executable, "-c", ENGINE, json.dumps(LIMITS)]
    engine = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    child = psutil.Process(int(engine.stdout.readline()))
    try:
        before = child.cpu_times().user
        while (used := child.cpu_times().user) < before + 0.5:
            time.sleep(POLL_S)
        engine.kill()
        assert engine.wait() == -signal.SIGKILL
        assert engine.stdout.read() == ""
        last = used
        while runs(child) and last < used + 3.0:
            with contextlib.suppress(psutil.NoSuchProcess):
                last = child.cpu_times().user
            time.sleep(POLL_S)
        assert not runs(child), f"it took {last - used:.1f} s more"
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
        engine.kill()
        engine.communicate()
