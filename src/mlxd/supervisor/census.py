"""Which requests an engine has lost, by what it says that it has."""

from collections.abc import Iterable

from mlxd import wire

from .requests import Request

# Every step makes a token for each row. The writer of tokens may be behind the steps, though never
# by so many while others get theirs.
STEPS_WITHOUT_A_TOKEN = 64


def missing(
    requests: Iterable[Request], progress: wire.Progress, now: float, patience_s: float
) -> list[Request]:
    """Those that were sent and of which nothing will come any more.

    A request that the engine took and has nowhere is lost: frames come in order, so its end would
    have been heard before. One that it does have waits for good reasons, a picture that is decoded
    or a row that gave way to others, and is left alone, with one exception: a row of the batch gets
    a token at each step. Without any for many steps, and for as long as a whole engine may be
    silent, it is stuck.
    """
    has, rows = set(progress.has), set(progress.rows)
    lost = []
    for request in requests:
        if not request.place or request.place > progress.taken:
            continue
        if request.id not in has:
            lost.append(request)
        elif request.id not in rows:
            request.watched = None
        elif request.watched is None:
            request.watched = (progress.steps, now)
        else:
            steps, at = request.watched
            if progress.steps - steps >= STEPS_WITHOUT_A_TOKEN and now - at >= patience_s:
                lost.append(request)
    return lost
