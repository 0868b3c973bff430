"""`mlxd serve` with another engine command and the same rules on a faster clock.

python -m tests.chaos.gateway ENGINE-COMMAND-AS-JSON serve [options of mlxd serve]
"""

import json
import sys

from mlxd.supervisor import policy, pulse

policy.FIRST_DELAY_S = 0.05
policy.STOP_BASE_S = 1.0
policy.TERM_GRACE_S = 0.5
policy.STALL_TERM_S = 0.3
# Long enough for a heartbeat of 0.1 s on a machine that has other things to do.
pulse.DEFAULT_LIMITS = pulse.Limits(
    starting=10.0, loading=3.0, warming=3.0, idle=3.0, step_floor=3.0, lost=4.0
)

import mlxd.cli  # noqa: E402 - what it imports takes the limits as they are then
from mlxd.cli import serve  # noqa: E402


def main() -> None:
    command = json.loads(sys.argv.pop(1))
    run = serve.run
    serve.run = lambda settings, again=None: run(settings, command, again)
    mlxd.cli.main()


if __name__ == "__main__":
    main()
