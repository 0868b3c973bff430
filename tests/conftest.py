"""What holds for all tests."""

import pytest
from hypothesis import HealthCheck, settings

# A busy machine makes any example slow; how fast things are is the bench's question. Everybody runs
# the same examples, so that what fails can be told from what changed; others are looked for with
# `pytest --hypothesis-profile searching`.
SLOW = [HealthCheck.too_slow]
settings.register_profile("patient", deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile("searching", deadline=None, suppress_health_check=SLOW)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="also the long random runs")
    parser.addoption("--soak-seconds", type=float, help="how long the random run of faults lasts")
    parser.addoption("--soak-seed", type=int, help="the random run that printed this seed, again")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from tests.sharing import Sharing

    return Sharing(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        from tests.sharing import longest_first

        longest_first(items)
    if not config.getoption("--soak"):
        left_out = pytest.mark.skip(reason="a long run; select it with --soak")
        for item in items:
            if "soak" in item.keywords:
                item.add_marker(left_out)
