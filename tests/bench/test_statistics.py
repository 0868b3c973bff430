"""Figures over rounds: medians and ratios mean what the table says."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.bench import Measure, as_json, faults, quantile, ratio, show
from mlxd.bench.prompts import Lengths, words
from mlxd.bench.statistics import at_the_median_moment

numbers = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=30)


@given(numbers, st.floats(0, 1))
def test_a_quantile_lies_within_the_values(values: list[float], share: float) -> None:
    assert min(values) <= quantile(values, share) <= max(values) * (1 + 1e-9)


@given(numbers)
def test_the_middle_quantile_is_the_median(values: list[float]) -> None:
    assert quantile(values, 0.5) == pytest.approx(statistics.median(values))


@given(numbers, numbers)
def test_ratios_of_both_sides_are_each_other_s_inverse(a: list[float], b: list[float]) -> None:
    for better in ("lower", "higher"):
        one, two = Measure("m", "s", better, a), Measure("m", "s", better, b)  # type: ignore[arg-type]
        there, back = ratio(one, two), ratio(two, one)
        assert there is not None
        assert back is not None
        assert there * back == pytest.approx(1)


def test_a_stall_shows_at_the_median_moment_though_not_in_the_median() -> None:
    gaps = [0.04] * 12 + [98.0]
    assert statistics.median(gaps) == 0.04
    assert at_the_median_moment(gaps) == 98.0
    assert at_the_median_moment([0.04] * 5) == 0.04


def test_above_one_is_better_whichever_way_the_unit_points() -> None:
    assert ratio(Measure("t", "s", "lower", [1.0]), Measure("t", "s", "lower", [8.0])) == 8
    assert ratio(Measure("r", "/s", "higher", [6.0]), Measure("r", "/s", "higher", [3.0])) == 2


def test_rounds_at_fault_have_no_figure_but_are_reported() -> None:
    bad = Measure("t", "s", "lower", [], ["no end"])
    assert ratio(bad, Measure("t", "s", "lower", [1.0])) is None
    assert faults({"x": [bad]}) == ["x: t: no end"]
    assert as_json({"x": [bad]})["servers"]["x"][0]["median"] is None


@given(st.integers(1, 300), st.text(max_size=8), st.text(max_size=8))
def test_prompts_are_new_for_every_label_and_the_same_for_the_same(
    count: int, a: str, b: str
) -> None:
    assert words(count, a) == words(count, a)
    assert len(words(count, a).split()) == count
    if count > 5 and a != b:
        assert words(count, a)[:17] != words(count, b)[:17]


@given(st.floats(1, 60), st.floats(0.5, 4), st.integers(100, 8000))
def test_lengths_are_found_from_two_counts(fixed: float, each: float, wanted: int) -> None:
    def count(words: int) -> int:
        return round(fixed + each * words)

    lengths = Lengths.through((100, count(100)), (1000, count(1000)))
    assert count(lengths.words_for(wanted)) == pytest.approx(wanted, rel=0.02, abs=4)


def test_a_server_whose_usage_never_grows_is_refused() -> None:
    with pytest.raises(ValueError, match="does not grow"):
        Lengths.through((4, 10), (20, 10))


def test_values_are_shown_in_readable_units() -> None:
    assert show(None, "s") == "–"
    assert show(0.0123, "s") == "12.3 ms"
    assert show(151.2, "s") == "151.20 s"
    assert show(280.4, "tok/s") == "280 tok/s"
