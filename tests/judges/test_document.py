"""A fuzzer that reads /openapi.json, against the real thing."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from .service import Service

load_all_checks()
_CHECKS = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    ]
)
POSTS = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]


@pytest.mark.filterwarnings("ignore")  # of the fuzzer about itself
@pytest.mark.parametrize(
    ("path", "mode"),
    [
        *((path, GenerationMode.POSITIVE) for path in POSTS),
        *((path, GenerationMode.NEGATIVE) for path in POSTS),
        ("/v1/models/{model_id}", GenerationMode.POSITIVE),
    ],
)
def test_every_answer_is_one_that_the_document_promises(
    service: Service, path: str, mode: GenerationMode
) -> None:
    api = schemathesis.openapi.from_url(service.url + "/openapi.json")
    operation = api[path]["GET" if "{" in path else "POST"]
    names = st.sampled_from(["tiny", "tiny-vl", "tiny-embed", "text", "embedding"])

    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode), model=names)
    def fuzz(case: schemathesis.Case, model: str) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            # Made-up names get no further than their 404.
            case.body |= {"model": model, "max_tokens": 3, "max_completion_tokens": 3}
        case.call_and_validate(base_url=service.url, checks=_CHECKS, timeout=120)

    fuzz()
    service.unhurt()
