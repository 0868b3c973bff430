"""Server-sent events, read from pieces of any size."""


class EventReader:
    """Feed it bytes as they arrive; it returns the data of every event that they complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._begun = False

    def feed(self, piece: bytes) -> list[bytes]:
        text = self._rest + piece
        if not self._begun and text:
            if len(text) < 3 and b"\xef\xbb\xbf".startswith(text):
                self._rest = text
                return []
            text = text.removeprefix(b"\xef\xbb\xbf")
            self._begun = True
        lines = text.splitlines(keepends=True)
        self._rest = b""
        # A CR at the very end may be half of a CR LF, so its line is not complete yet.
        if lines and not lines[-1].endswith(b"\n"):
            self._rest = lines.pop()
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: bytes) -> bytes | None:
        line = line.rstrip(b"\r\n")
        if not line:
            data, self._data = self._data, []
            return b"\n".join(data) if data else None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        return None
