"""A bar is met by what was measured in the same run, and by nothing else."""

import pytest

from bench import bars, gateway
from mlxd.bench import Measure

FIGURE = "throughput, 8 clients"


def rate(value: float | None) -> list[Measure]:
    return [Measure(FIGURE, "tok/s", "higher", [value] if value else [])]


@pytest.mark.parametrize(("ours", "met"), [(60.0, True), (59.0, False), (None, None)])
def test_a_ratio_is_met_missed_or_not_measured(ours: float | None, met: bool | None) -> None:
    runs = {bars.PLAIN: {bars.OURS: rate(ours), "other": rate(10.0)}}
    assert bars.against(runs, bars.PLAIN, "other", FIGURE, 6).met is met


def test_a_server_that_was_never_measured_beats_nobody() -> None:
    runs = {bars.PLAIN: {bars.OURS: rate(60.0)}}
    assert bars.against(runs, bars.PLAIN, "other", FIGURE, 6).met is None


def test_the_gateways_share_counts_only_at_the_asked_rate() -> None:
    share = Measure(gateway.STREAMING, "% of a core", "lower", [5.0])
    for reached, met in ((2000.0, True), (1500.0, None)):
        judged = gateway.bars([Measure(gateway.RATE, "tok/s", "higher", [reached]), share])
        assert [bar.met for bar in judged] == [None, met, None]


def test_served_is_held_against_the_bare_loop_with_prompts_on_both_sides() -> None:
    runs = {bars.PLAIN: {bars.OURS: rate(85.0)}}
    assert bars.of_bare(runs, {"throughput tok/s": 100.0, "decode tok/s": 200.0}).met
    assert bars.of_bare(runs, {"throughput tok/s": 101.0, "decode tok/s": 101.0}).met is False
    assert bars.of_bare(runs, None).met is None


@pytest.mark.parametrize(("ours", "met"), [(0.8, True), (0.81, False)])
def test_the_start_is_judged_by_its_share_of_the_neighbours(ours: float, met: bool) -> None:
    starts = {bars.OURS: [ours], "mlx_lm.server": [1.0]}
    measures = {name: Measure("start", "s", "lower", values) for name, values in starts.items()}
    assert bars.of_starts(measures).met is met
