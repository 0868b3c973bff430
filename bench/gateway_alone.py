"""`mlxd serve` with the tests' fake engine in place of the real one.

python -m bench.gateway_alone --port N --model DIR --data-dir DIR [--rate STEPS_A_SECOND]
"""

import argparse
import sys

from mlxd import settings
from mlxd.cli import serve


def main() -> int:
    parser = argparse.ArgumentParser(description="The gateway without a model behind it.")
    parser.add_argument("--port", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--rate", default="0")
    args = parser.parse_args()
    flags = {"models": [args.model], "data_dir": args.data_dir, "server.port": args.port}
    fake = (sys.executable, "-m", "tests.fakes.engine", "--rate", args.rate)
    return serve.run(settings.load(flags=flags), fake)


if __name__ == "__main__":
    sys.exit(main())
