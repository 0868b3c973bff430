"""Servers that are reached in other ways, and that look like those that people run."""

import contextlib
import http.server
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port

from mlxd.smoke import Plan, Run, Subject, judge
from mlxd.smoke.reach import pick
from mlxd.smoke.reports import Texts
from mlxd.smoke.reports.conclusion import conclusion

from .edit import Edit
from .fake import Fake, serving

BASIC = Plan(suites=("health", "basic"))


async def one(subject: Subject, plan: Plan = BASIC) -> Run:
    return (await judge([subject], plan)).runs[0]


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
async def test_an_address_with_or_without_v1(end: str) -> None:
    with serving() as fake:
        run = await one(Subject(url=fake.url + end))
    assert run.verdict == "PASS"


async def test_an_address_without_a_scheme() -> None:
    with serving() as fake:
        assert (await one(Subject(url=fake.url.removeprefix("http://")))).verdict == "PASS"


class _UnderOpenai(Edit):
    root = "/openai"


class _WithoutVersion(Edit):
    root = "/api/chat-models"
    version = ""


@pytest.mark.parametrize("edit", [_UnderOpenai(), _WithoutVersion()])
async def test_a_server_with_a_root_of_its_own(edit: Edit) -> None:
    with serving(edit=edit) as fake:
        run = await one(Subject(url=fake.url + edit.root))
    assert run.verdict == "PASS", run.error


class _Locked(Edit):
    key = "sesame"


async def test_a_key_is_sent_and_its_absence_said_in_one_line() -> None:
    with serving(edit=_Locked()) as fake:
        assert (await one(Subject(url=fake.url, api_key="sesame"))).verdict == "PASS"
        run = await one(Subject(url=fake.url))
    assert run.verdict == "ERROR"
    assert "--api-key" in run.error
    assert {check.verdict for check in run.checks} == {"SKIPPED"}
    assert "sesame" not in str(run)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
    made += "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    subprocess.run(made.split(), cwd=folder, check=True, capture_output=True)
    return folder


@contextlib.contextmanager
def _tls(folder: Path) -> Iterator[Fake]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with serving(tls=context) as fake:
        yield fake


async def test_a_self_signed_certificate_needs_a_word(certificate: Path) -> None:
    with _tls(certificate) as fake:
        run = await one(Subject(url=fake.url.replace("http:", "https:")), Plan(suites=("basic",)))
        assert run.verdict == "ERROR"
        assert "--insecure" in run.checks[0].reason
        trusting = Subject(url=fake.url.replace("http:", "https:"), insecure=True)
        assert (await one(trusting)).verdict == "PASS"


class _LlamaCpp(Edit):
    """503 while it loads, without Retry-After."""

    def refuse(self, fake: Fake) -> tuple[int, str] | None:
        loading = time.monotonic() - fake.began < 1.2
        return (503, "Loading model") if loading else None


class _Waits:
    def __init__(self) -> None:
        self.told: list[str] = []

    def waiting(self, told: str) -> None:
        self.told.append(told)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


async def test_a_model_that_is_being_loaded_is_waited_for() -> None:
    seen = _Waits()
    with serving(edit=_LlamaCpp()) as fake:
        report = await judge([Subject(url=fake.url)], BASIC, seen)
    assert report.verdict == "PASS"
    assert set(seen.told) == {"Loading model"}


class _Ollama(Edit):
    """Names with tags, and errors without param and code."""

    names = ("llama3:latest", "nomic-embed-text:latest")

    def body(self, answer: dict[str, Any]) -> None:
        answer["model"] = "llama3"
        answer["system_fingerprint"] = "fp_ollama"


class _LmStudio(Edit):
    """Many models, one of them for embeddings in the first place."""

    names = ("text-embedding-nomic-embed-text-v1.5", "qwen/qwen3-4b", "gemma-3-4b-it")

    def body(self, answer: dict[str, Any]) -> None:
        answer["stats"] = {}


class _Vllm(Edit):
    names = ("/models/Qwen3-4B",)

    def body(self, answer: dict[str, Any]) -> None:
        answer |= {"prompt_logprobs": None, "service_tier": None}
        for choice in answer["choices"]:
            choice["stop_reason"] = None
            choice["message"] |= {"reasoning_content": None, "function_call": None}


@pytest.mark.parametrize("kind", [_Ollama, _LmStudio, _Vllm])
async def test_servers_shaped_like_those_that_people_run(kind: type[Edit]) -> None:
    edit = kind()
    with serving(edit=edit) as fake:
        run = await one(Subject(url=fake.url), Plan(suites=("health", "basic", "tool-loop")))
    bad = {c.id: [one.message for one in c.rounds] for c in run.checks if c.verdict == "FAIL"}
    assert run.verdict == "PASS", bad
    assert "embed" not in run.target.model
    assert len(run.target.others) == len(edit.names) - 1


async def test_a_name_that_is_not_there_is_said_with_those_that_are() -> None:
    with serving() as fake:
        run = await one(Subject(url=fake.url, model_id="gpt-9"), Plan(suites=("health",)))
    assert run.verdict == "FAIL"
    assert run.checks[0].rounds[0].got == "fake"


async def test_what_is_no_server_at_all_is_told_from_one_that_is_gone() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    run = await one(Subject(url=url), Plan(suites=("basic",)))
    assert run.verdict == "ERROR"
    assert run.cut_short.startswith("the server can't be reached")
    assert advice(run) == f"- Nobody can be reached at {url}. " + (
        "Is the server running, and is this its address?"
    )


async def test_a_wrong_path_and_a_wrong_name_are_no_faults_of_the_model() -> None:
    with serving() as fake:
        lost = await one(Subject(url=fake.url + "/elsewhere"))
        nameless = await one(Subject(url=fake.url, model_id="gpt-9"))
        right = await one(Subject(url=fake.url))
    assert "/elsewhere/v1/chat/completions (HTTP 404). Is this the address" in advice(lost)
    assert advice(nameless) == "- The server has no model 'gpt-9'. It lists: fake. " + (
        "Choose one with --model-id."
    )
    assert advice(right) == ""


class _Files(http.server.BaseHTTPRequestHandler):
    """It has nothing to do with models."""

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_error(501)

    def log_message(self, format: str, *args: Any) -> None: ...


async def test_a_server_of_another_kind_is_said_to_be_one() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run = await one(Subject(url=f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
    assert run.verdict == "FAIL"
    assert "(HTTP 501). Is this the address of a server with the OpenAI API?" in advice(run)


def advice(run: Run) -> str:
    """What the report says to look at next."""
    said = list(conclusion(run, Texts("en")))[-1]
    head, _, lines = said.partition("\n\n")
    return lines if head == "What to look at next:" else ""


def test_the_model_that_is_asked() -> None:
    listed = [{"id": "reranker-x"}, {"id": "a", "capabilities": ["embedding"]}, {"id": "b"}]
    assert pick(listed, "")["id"] == "b"
    assert pick(listed, "a")["id"] == "a"
    assert pick(listed, "nothing") == {}
    assert pick("nonsense", "") == {}
