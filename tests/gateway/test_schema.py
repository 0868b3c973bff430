"""A fuzzer reads /openapi.json and finds no answer that the document does not promise."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from tests.processes import PATIENCE_S

from .conftest import Gateway, serving

load_all_checks()
# Not asked: that whatever fits the types is accepted; tools have to be there to be chosen.
_CHECKS = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    ]
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A gateway on a loop of its own, for a client that blocks."""
    found: list[int] = []
    up = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def main() -> None:
        async with serving() as gateway:
            found.append(gateway.port)
            up.set()
            await over.wait()
            await Gateway.still_works(gateway)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    assert up.wait(PATIENCE_S)
    yield found[0]
    loop.call_soon_threadsafe(over.set)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def api(port: int) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


POSTS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
GETS = ["/v1/models/{model_id}", "/v1/models", "/status"]


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *(("POST", path, GenerationMode.POSITIVE) for path in POSTS),
        *(("POST", path, GenerationMode.NEGATIVE) for path in POSTS),
        *(("GET", path, GenerationMode.POSITIVE) for path in GETS),
    ],
)
def test_answers_are_what_the_document_promises(
    api: schemathesis.BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    operation = api[path][method]

    @settings(
        max_examples=30,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body["model"] = "fake"
        case.call_and_validate(checks=_CHECKS)

    check()
