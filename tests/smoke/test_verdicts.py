import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.smoke.result import CheckResult, Kind, Round, Verdict
from mlxd.smoke.statistics import (
    AUTO_MARK,
    AUTO_MOST,
    pass_hat_k,
    verdict_so_far,
    wilson,
)
from mlxd.smoke.verdicts import conclude, decided

LETTERS: dict[str, Verdict] = {"P": "PASS", "F": "FAIL", "E": "ERROR", "S": "SKIPPED"}


def checked(
    rounds: str, planned: int = 0, kind: Kind = "behaviour", mark: float = 0.8
) -> CheckResult:
    return CheckResult(
        id="suite.check",
        suite="suite",
        kind=kind,
        title={},
        expected={},
        verdict="SKIPPED",
        planned=planned or len(rounds),
        mark=mark,
        rounds=[
            Round(
                number=number,
                verdict=LETTERS[letter],
                category="wrong_answer" if letter == "F" else None,
                message="why" if letter in "ES" else "",
            )
            for number, letter in enumerate(rounds, 1)
        ],
    )


def test_a_server_that_ends_is_no_behaviour_of_its_model() -> None:
    ended = checked("PPF", mark=0.6)
    ended.rounds[-1].category = "server_down"
    conclude(ended, cut="the server is gone")
    assert (ended.verdict, ended.category) == ("FAIL", "server_down")


@pytest.mark.parametrize(
    ("rounds", "planned", "kind", "mark", "cut", "expected"),
    [
        ("PPPPP", 5, "behaviour", 1.0, "", "PASS"),
        ("PPPPF", 5, "behaviour", 1.0, "", "FAIL"),
        ("PPPPF", 5, "behaviour", 0.8, "", "PASS"),
        ("PPPFF", 5, "behaviour", 0.8, "", "FAIL"),
        ("PF", 2, "contract", 1.0, "", "FAIL"),
        ("PP", 5, "behaviour", 0.8, "interrupted", "ERROR"),
        ("FF", 5, "behaviour", 0.8, "interrupted", "FAIL"),
        ("FFS", 3, "behaviour", 0.3, "interrupted", "ERROR"),
        ("PPS", 3, "behaviour", 0.6, "", "PASS"),
        ("PFS", 3, "behaviour", 0.6, "", "FAIL"),
        ("PE", 2, "contract", 1.0, "", "ERROR"),
        ("FE", 2, "contract", 1.0, "", "FAIL"),
        ("S", 3, "contract", 1.0, "", "SKIPPED"),
        ("", 3, "contract", 1.0, "interrupted", "SKIPPED"),
    ],
)
def test_the_verdict_says_no_more_than_the_rounds_show(
    rounds: str, planned: int, kind: Kind, mark: float, cut: str, expected: str
) -> None:
    result = checked(rounds, planned, kind, mark)
    conclude(result, cut=cut)
    assert result.verdict == expected
    if expected in ("ERROR", "SKIPPED"):
        assert result.reason


def test_wilson_bounds_of_clean_runs() -> None:
    for rounds, low in ((5, 0.57), (10, 0.72), (35, 0.90)):
        assert wilson(rounds, rounds)[0] == pytest.approx(low, abs=0.005)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_holds_the_rate(passed: int, failed: int) -> None:
    rounds = passed + failed
    low, high = wilson(passed, rounds)
    assert 0 <= low <= high <= 1
    if rounds:
        assert low - 1e-9 <= passed / rounds <= high + 1e-9


def test_pass_hat_k() -> None:
    assert pass_hat_k(10, 10, 5) == 1
    assert pass_hat_k(9, 10, 5) == pytest.approx(0.5)
    assert pass_hat_k(4, 4, 5) is None


def _chances(rate: float) -> tuple[float, float]:
    """Of passing and of failing with rounds on demand, over all ways a run can go."""
    open_: dict[int, float] = {0: 1.0}
    passes = fails = 0.0
    for rounds in range(1, AUTO_MOST + 1):
        after: dict[int, float] = {}
        for passed, chance in open_.items():
            for more, share in ((1, rate), (0, 1 - rate)):
                after[passed + more] = after.get(passed + more, 0.0) + chance * share
        open_ = {}
        for passed, chance in after.items():
            verdict = verdict_so_far(passed, rounds)
            if verdict is None:
                open_[passed] = chance
            elif verdict:
                passes += chance
            else:
                fails += chance
    return passes, fails


def test_stopping_early_rarely_gives_the_wrong_verdict() -> None:
    passes, fails = _chances(0.99)
    assert passes > 0.9
    assert fails < 0.02
    passes, fails = _chances(0.7)
    assert passes < 0.001
    assert fails > 0.95


def test_a_clear_case_stops_early() -> None:
    assert verdict_so_far(35, 35) is True
    assert verdict_so_far(34, 34) is None
    assert verdict_so_far(2, 5) is False
    result = checked("P" * 35, AUTO_MOST, mark=AUTO_MARK)
    conclude(result, auto=True)
    assert result.verdict == "PASS"
    unclear = checked("P" * 46 + "F" * 4, 50, mark=AUTO_MARK)
    conclude(unclear, auto=True)
    assert unclear.verdict == "ERROR"
    assert "inconclusive" in unclear.reason


# Of all runs of servers that are clearly good or clearly bad, against the mark of 0.9.
MOST_WRONG = 0.05


@pytest.mark.parametrize("rate", [rate / 100 for rate in range(50, 101, 2)])
def test_chances_of_a_wrong_verdict_with_rounds_on_demand(rate: float) -> None:
    passes, fails = _chances(rate)
    assert passes + fails <= 1 + 1e-9
    # A bad server is hardly ever passed, and a good one hardly ever failed. Near the mark itself it
    # may be either, or inconclusive.
    if rate <= AUTO_MARK - 0.1:
        assert passes < 0.01
    if rate < AUTO_MARK:
        assert passes < 0.15
    if rate >= 0.98:
        assert fails < MOST_WRONG
    if rate == 1:
        assert passes == 1


@given(st.floats(0.5, 1.0), st.randoms(use_true_random=False))
def test_coins_decide_as_the_sums_say(rate: float, coin: random.Random) -> None:
    """Verdicts by the runner's own rule, round after round, until it is clear or the last."""
    result = checked("", AUTO_MOST, mark=AUTO_MARK)
    for number in range(1, AUTO_MOST + 1):
        passed = coin.random() < rate
        result.rounds.append(
            Round(number=number, verdict="PASS" if passed else "FAIL", category="wrong_answer")
        )
        if decided(result) is not None:
            break
    conclude(result, auto=True)
    low, high = result.interval
    if result.verdict == "PASS":
        assert low >= AUTO_MARK
    elif result.verdict == "FAIL":
        assert high < AUTO_MARK
    else:
        assert len(result.rounds) == AUTO_MOST
        assert low < AUTO_MARK <= high
        assert "inconclusive" in result.reason


def test_a_thousand_coins() -> None:
    coin = random.Random(4)
    wrong = dict.fromkeys((0.5, 0.7, 0.8, 0.98, 1.0), 0)
    for rate in wrong:
        for _ in range(1000):
            passed = rounds = 0
            while rounds < AUTO_MOST and verdict_so_far(passed, rounds) is None:
                passed += coin.random() < rate
                rounds += 1
            verdict = verdict_so_far(passed, rounds)
            wrong[rate] += verdict is (rate < AUTO_MARK)
    assert all(count / 1000 < MOST_WRONG for count in wrong.values()), wrong
