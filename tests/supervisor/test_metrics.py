"""/metrics against what clients were told, request by request, with the bundled model."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.service import Service

PROMPT = "Repeat after me, word for word: the river runs to the sea. " * 8


class Pilot(Service):
    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        command = [sys.executable, "-m", "mlxd", "serve", "--port", "0", "--data-dir"]
        self.process = subprocess.Popen(
            [*command, str(self.data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MLXD_CONFIG": os.devnull},
        )
        self.output = ""


@pytest.fixture
def pilot(tmp_path: Path) -> Iterator[Service]:
    service = Pilot(tmp_path)
    try:
        service.wait_for("is ready")
        yield service
    finally:
        service.end()
        service.process.communicate()


def read(service: Service) -> dict[str, float]:
    text = httpx2.get(f"{service.url}/metrics", timeout=60).text
    return {
        sample.name
        + (f"/{sample.labels['state']}" if "state" in sample.labels else ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("model") == "pilot" and "le" not in sample.labels
    }


def test_every_number_is_what_clients_saw(pilot: Service) -> None:
    before = read(pilot)
    assert before["mlxd_engine_state/ready"] == 1.0
    assert sum(v for k, v in before.items() if k.startswith("mlxd_engine_state/")) == 1.0
    body = {"messages": [{"role": "user", "content": PROMPT}], "temperature": 0, "max_tokens": 24}
    answers = [
        httpx2.post(f"{pilot.url}/v1/chat/completions", json={"model": "pilot", **body}, timeout=60)
        for _ in range(3)
    ]
    used = [answer.json()["usage"] for answer in answers]
    refused = {"model": "pilot", "messages": [{"role": "user", "content": "x " * 50_000}]}
    wrong = httpx2.post(f"{pilot.url}/v1/chat/completions", json=refused, timeout=60)
    assert wrong.status_code == 400
    after = read(pilot)
    made = {name: after[name] - before[name] for name in after}
    assert made["mlxd_requests_total"] == 4
    assert made["mlxd_requests_failed_total"] == 1
    assert made["mlxd_tokens_in_total"] == sum(one["prompt_tokens"] for one in used)
    assert made["mlxd_tokens_out_total"] == sum(one["completion_tokens"] for one in used)
    cached = [one["prompt_tokens_details"]["cached_tokens"] for one in used]
    assert cached[0] == 0
    assert cached[1] > 0
    assert made["mlxd_tokens_cached_total"] == sum(cached)
    assert made["mlxd_time_to_first_token_seconds_count"] == 3
    assert 0 < made["mlxd_time_to_first_token_seconds_sum"] < 60
    gaps = made["mlxd_time_between_tokens_seconds_count"]
    assert gaps == sum(one["completion_tokens"] for one in used) - 3
    assert (after["mlxd_requests_running"], after["mlxd_requests_waiting"]) == (0, 0)
    assert after["mlxd_engine_memory_bytes"] > 1_000_000
    assert after["mlxd_prefix_cache_bytes"] > 0
    assert after["mlxd_kv_bytes"] >= 0
    pid = httpx2.get(f"{pilot.url}/status", timeout=60).json()["engines"]["pilot"]["pid"]
    os.kill(pid, 9)
    again = {"model": "pilot", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    assert (
        httpx2.post(f"{pilot.url}/v1/chat/completions", json=again, timeout=60).status_code == 200
    )
    assert read(pilot)["mlxd_engine_restarts_total"] == 1
