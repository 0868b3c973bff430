"""What k of n rounds prove."""

import math

# Two-sided 95%.
Z = 1.96


def wilson(passed: int, rounds: int, z: float = Z) -> tuple[float, float]:
    """Between which rates the true one lies, most likely; never wider than 0 to 1."""
    if not rounds:
        return 0.0, 1.0
    rate = passed / rounds
    centre = rate + z * z / (2 * rounds)
    spread = z * math.sqrt(rate * (1 - rate) / rounds + z * z / (4 * rounds * rounds))
    scale = 1 + z * z / rounds
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def pass_hat_k(passed: int, rounds: int, k: int) -> float | None:
    """The chance that k rounds in a row would all pass, estimated without bias from n >= k."""
    if k > rounds:
        return None
    return math.comb(passed, k) / math.comb(rounds, k)


# With `--rounds auto` a check must show that it passes at least this often. A clean run shows it
# in 35 rounds.
AUTO_MARK = 0.9
AUTO_LEAST = 5
AUTO_MOST = 80


def verdict_so_far(passed: int, rounds: int, mark: float = AUTO_MARK) -> bool | None:
    """True or False once the interval lies wholly on one side of the mark, else None."""
    if rounds < AUTO_LEAST:
        return None
    low, high = wilson(passed, rounds)
    if low >= mark:
        return True
    if high < mark:
        return False
    return None
