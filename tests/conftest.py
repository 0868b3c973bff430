import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="also the long random runs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--soak"):
        left_out = pytest.mark.skip(reason="a long run; select it with --soak")
        for item in items:
            if "soak" in item.keywords:
                item.add_marker(left_out)
