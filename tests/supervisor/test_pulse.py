from mlxd.supervisor.pulse import Limits, Pulse

LIMITS = Limits(step_floor=1.0, lost=30.0)


def stepping() -> Pulse:
    pulse = Pulse(0.0, 1000, LIMITS)
    pulse.greeted(0.0, 1000, "cpu")
    pulse.beat(0.0, "prefilling")
    pulse.beat(0.1, "prefilling")
    return pulse


def test_a_picture_may_be_looked_at_for_as_long_as_it_is_large() -> None:
    pulse = stepping()
    usual = pulse.limit(busy=True)
    pulse.beat(0.2, "prefilling", pixels=400_000)
    assert pulse.deadline(busy=True) - 0.2 > usual + 60
    assert pulse.limit(busy=True) < usual + 120  # it is not for ever either


def test_the_time_that_a_picture_took_is_not_taken_for_that_of_a_step() -> None:
    pulse = stepping()
    usual = pulse.limit(busy=True)
    pulse.beat(0.2, "prefilling", pixels=400_000)
    pulse.beat(40.0, "prefilling")
    assert pulse.limit(busy=True) == usual
