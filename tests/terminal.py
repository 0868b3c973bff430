"""A person at a keyboard, in front of a real terminal."""

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence

PATIENCE_S = 60.0


class Terminal:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            os.execvpe(command[0], list(command), dict(environment))
        self.output = ""
        self.whole = ""

    def until(self, text: str) -> None:
        """From what came after the last one."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.output:
            left = max(0.0, end - time.monotonic())
            readable, _, _ = select.select([self.descriptor], [], [], left)
            assert readable, self.output
            assert self._read(), f"it ended without {text!r}:\n{self.whole}"
        self.output = self.output.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def ended(self) -> int:
        """What is still said is read before."""
        while self._read():
            pass
        return self.close()

    def close(self) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.descriptor)
        return code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def _read(self) -> bool:
        try:
            said = os.read(self.descriptor, 65536).decode(errors="replace")
        except OSError:  # Linux says so when the other end is closed
            return False
        self.output += said
        self.whole += said
        return bool(said)
