"""`mlxd serve` as the documentation starts it: no arguments but a port and a folder of its own."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from tests.kept import share_compiled

ROOT = Path(__file__).parents[2]
PATIENCE_S = 250.0
# What the documentation says, and what the tests put in its place.
DOCUMENTED = "127.0.0.1:60315"
_LISTENING = re.compile(r"listening on http://(\S+)")
# A curl that fails where the service refuses, as no reader would notice that it did.
_CURLRC = "fail-with-body\nsilent\nshow-error\nmax-time = 200\n"


class Service:
    def __init__(self, home: Path) -> None:
        home.mkdir()
        share_compiled(home)
        (home / ".curlrc").write_text(_CURLRC)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLXD_", "HF_"))}
        self.environment = {
            **inherited,
            "HOME": str(home),
            "CURL_HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "MLXD_DATA_DIR": str(home / "data"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NO_PROXY": "*",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlxd", "serve", "--port", "0"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._output: list[str] = []
        self._said = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.address = self._wait_for(_LISTENING)[1]
        self._wait_for(re.compile("is ready"))

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                with self._said:
                    self._output.append(line)
                    self._said.notify_all()
        with self._said:
            self._output.append("(end)")
            self._said.notify_all()

    def _wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        def there() -> re.Match[str] | bool | None:
            return pattern.search("".join(self._output)) or "(end)" in self._output

        with self._said:
            found = self._said.wait_for(there, PATIENCE_S)
        assert isinstance(found, re.Match), "".join(self._output)
        return found

    def end(self) -> int:
        self.process.terminate()
        self._listener.join(PATIENCE_S)
        return self.process.wait(PATIENCE_S)
