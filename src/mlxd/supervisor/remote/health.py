"""Is a server elsewhere alive? Judged by real requests alone: nobody asks for asking's sake.

After three failures in a row, requests are refused at once for a while that doubles, so that
clients do not each wait for a server that is gone. Then a single one is let through, and what
becomes of it decides for the others. Pure: time comes in as a number.
"""

FAILURES_UNTIL_PAUSE = 3
FIRST_PAUSE_S = 1.0
# A server that is back is found within this time.
LONGEST_PAUSE_S = 30.0
# How long a request waits that finds another one asking already.
ASKED_BY_ANOTHER_S = 1.0


class Health:
    def __init__(self) -> None:
        self.failures = 0
        self._known = False
        self._until: float | None = None
        self._asking = False

    @property
    def state(self) -> str:
        if self._until is not None:
            return "failing"
        return "ready" if self._known else "untried"

    def admit(self, now: float) -> float | None:
        """None: go and ask. Otherwise the seconds after which it may be worth a try."""
        if self._until is None:
            return None
        if now < self._until:
            return self._until - now
        if self._asking:
            return ASKED_BY_ANOTHER_S
        self._asking = True
        return None

    def answered(self) -> None:
        self.__init__()  # type: ignore[misc]
        self._known = True

    def failed(self, now: float) -> None:
        self._asking = False
        self._known = True
        self.failures += 1
        beyond = self.failures - FAILURES_UNTIL_PAUSE
        if beyond >= 0:
            # The exponent has an end, or a server that is gone for weeks overflows it.
            self._until = now + min(FIRST_PAUSE_S * 2.0 ** min(beyond, 16), LONGEST_PAUSE_S)

    def left(self) -> None:
        """Its client went before there was anything to judge by."""
        self._asking = False
