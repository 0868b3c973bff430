"""The gateway stays light: what it must not import, and how its errors read."""

import json
import subprocess
import sys

import pytest
from tests.processes import PATIENCE_S

from .conftest import Gateway

HEAVY = {"mlx", "mlx_lm", "mlx_vlm", "numpy", "PIL", "transformers", "pydantic", "httpx2", "jinja2"}


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import json, sys, mlxd.gateway.app, mlxd.gateway.config;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert HEAVY.isdisjoint(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"messages": [{"role": "wizard"}]},
            "messages[0].role: 'wizard' is not one of 'assistant', 'developer', 'function', "
            "'system', 'tool', 'user'.",
        ),
        (
            {"tool_choice": "maybe"},
            "tool_choice: 'maybe' is not one of 'auto', 'none', 'required'.",
        ),
        (
            {"response_format": {"type": "xml"}},
            "response_format.type: 'xml' is not one of 'grammar', 'json_object', 'json_schema', "
            "'regex', 'text'.",
        ),
        ({"temperature": "hot"}, "temperature: expected a number or null, got a string."),
        ({"temperature": 3}, "temperature: expected a number <= 2.0."),
        ({"stop": ["a"] * 17}, "stop: expected a list of length <= 16."),
    ],
    ids=str,
)
async def test_errors_say_what_would_have_been_right(
    gateway: Gateway, given: dict[str, object], told: str
) -> None:
    answer = await gateway.chat("hi", **given)
    assert answer.json()["error"]["message"] == told
