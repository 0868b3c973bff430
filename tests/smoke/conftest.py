from collections.abc import Iterator

import pytest

from .pool import BY_NAME, Pool, open_pool
from .variants import VARIANTS


@pytest.fixture(scope="package")
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """Begins at once with all that the chosen tests will ask for."""
    chosen = [
        value
        for item in request.session.items
        if "pool" in getattr(item, "fixturenames", ())
        for value in getattr(getattr(item, "callspec", None), "params", {}).values()
        if isinstance(value, str) and (value in BY_NAME or value in VARIANTS)
    ]
    with open_pool() as made:
        made.begin(chosen)
        yield made
