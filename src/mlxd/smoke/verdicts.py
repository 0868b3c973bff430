"""From rounds to a verdict: pure, so that it can be tested without a server."""

from collections import Counter

from .faults import Category
from .result import CheckResult
from .statistics import AUTO_MARK, verdict_so_far

# Rounds in a row without any answer, after which more rounds would only cost time.
HOPELESS_TIMEOUTS = 2


def conclude(result: CheckResult, *, auto: bool = False, cut: str = "") -> None:
    """Set the verdict, its reason and its category from the rounds there are.

    `cut` says why no more rounds will come although some are missing.
    """
    judged = result.judged
    failed = sum(one.verdict == "FAIL" for one in judged)
    errors = sum(one.verdict == "ERROR" for one in judged)
    result.category = commonest(result)
    result.reason = ""
    if not judged:
        result.verdict = "SKIPPED"
        result.reason = cut or next((one.message for one in result.rounds), "not reached")
        return
    # A round that was cut off is there too, but shows nothing.
    whole = auto or len(judged) >= result.planned
    # Whatever share may fail: that a server ends is not the model's behaviour.
    died = bool(cut) and judged[-1].verdict == "FAIL" and judged[-1].category == "server_down"
    if failed and (died or _lost(result, failed, auto=auto)):
        result.verdict = "FAIL"
    elif errors:
        result.verdict = "ERROR"
        result.reason = cut or next(one.message for one in judged if one.verdict == "ERROR")
    elif cut and not whole:
        result.verdict = "ERROR"
        result.reason = f"{cut} ({len(judged)} of {result.planned} rounds)"
    elif auto and decided(result) is None:
        low, high = result.interval
        result.verdict = "ERROR"
        result.reason = (
            f"inconclusive: {result.passed} of {len(judged)} rounds, so the true rate lies "
            f"between {low:.2f} and {high:.2f}"
        )
    elif not auto and result.passed < result.mark * len(judged):
        result.verdict = "FAIL"
    else:
        result.verdict = "PASS"


def decided(result: CheckResult) -> bool | None:
    """With rounds on demand: passed, failed, or not clear yet."""
    return verdict_so_far(result.passed, len(result.judged), min(result.mark, AUTO_MARK))


def _lost(result: CheckResult, failed: int, *, auto: bool) -> bool:
    """No further round can save it."""
    if result.kind == "contract":
        return True
    if auto:
        return decided(result) is False
    return result.planned - failed < result.mark * result.planned


def commonest(result: CheckResult) -> Category | None:
    counts = Counter(one.category for one in result.rounds if one.category)
    return counts.most_common(1)[0][0] if counts else None


def hopeless(result: CheckResult) -> bool:
    last = result.rounds[-HOPELESS_TIMEOUTS:]
    return len(last) == HOPELESS_TIMEOUTS and all(one.category == "timeout" for one in last)
