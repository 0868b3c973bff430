"""The real gateway and supervisor in front of the tests' fake engine.

python -m bench.gateway_alone --port N --model DIR --data-dir DIR [--rate STEPS_A_SECOND]
"""

import argparse
import asyncio
import sys
from pathlib import Path

import uvicorn

from mlxd.catalog import Catalogue
from mlxd.gateway.app import create_app
from mlxd.settings import load
from mlxd.supervisor.supervisor import Supervisor


async def serve(port: int, model: str, data_dir: Path, rate: float) -> None:
    settings = load(flags={"models": [model], "data_dir": str(data_dir), "server.port": port})
    fake = (sys.executable, "-m", "tests.fakes.engine", "--rate", str(rate))
    async with Supervisor(settings, Catalogue(settings.models), command=fake) as service:
        app = create_app(service, settings.server, settings.images)
        config = uvicorn.Config(
            app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning"
        )
        await uvicorn.Server(config).serve()


def main() -> None:
    parser = argparse.ArgumentParser(description="The gateway without a model behind it.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=0.0)
    args = parser.parse_args()
    asyncio.run(serve(args.port, args.model, args.data_dir, args.rate))


if __name__ == "__main__":
    main()
