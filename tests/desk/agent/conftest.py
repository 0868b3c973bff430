import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.endless import write_endless
from tests.judges.service import Service

from .npm import Client
from .upstream import Upstream

FOREIGN = """\
import os
import pathlib
from mcp.server.mcpserver import MCPServer

server = MCPServer("numbers")


@server.tool()
def double(number: int) -> int:
    return 2 * number


@server.tool()
def die() -> int:
    os._exit(3)


with pathlib.Path(__file__).with_suffix(".starts").open("a") as starts:
    print(os.getpid(), file=starts)
server.run()
"""


NO_SERVERS: dict[str, object] = {"mcpServers": {}}


@pytest.fixture(scope="package")
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Service]:
    """`pilot` answers; `endless`, of random weights, does not stop; the far ones do as they are
    called."""
    models = tmp_path_factory.mktemp("models")
    write_endless(models / "endless")
    config = tmp_path_factory.getbasetemp() / "mcp.json"
    config.write_text(json.dumps(NO_SERVERS))
    environment = {
        "MLXD_REMOTES": upstream.setting(),
        "MLXD_AGENT_MCP_CONFIG": str(config),
        "MLXD_AGENT_STEPS": "4",
        "MLXD_DOCUMENTS_TAGS": "off",
    }
    home = tmp_path_factory.mktemp("home")
    made = Service([Path("pilot"), models / "endless"], home, environment)
    yield made
    made.close()


@pytest.fixture
def foreign_tools(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Iterator[Path]:
    """Two servers of tools, of which one works: for some tests alone. Gives the file in which each
    start of the one that works is noted."""
    base = tmp_path_factory.mktemp("mcp")
    config = tmp_path_factory.getbasetemp() / "mcp.json"
    (base / "foreign.py").write_text(FOREIGN)
    good = {"command": sys.executable, "args": [str(base / "foreign.py")]}
    broken = {"command": sys.executable, "args": ["-c", "raise SystemExit('broken')"]}
    config.write_text(json.dumps({"mcpServers": {"numbers": good, "broken": broken}}))
    yield base / "foreign.starts"
    config.write_text(json.dumps(NO_SERVERS))


@pytest.fixture
def client(service: Service, request: pytest.FixtureRequest) -> Iterator[Callable[[], Client]]:
    made: list[Client] = []

    def begin() -> Client:
        made.append(Client(service.url, f"{request.node.name}-{len(made)}"))
        return made[-1]

    yield begin
    for one in made:
        one.close()
