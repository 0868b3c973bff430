"""Downloads from a hub on this machine: a real server, a real process, real files."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from huggingface_hub import close_session, constants
from tests.fakes.hub import COMMIT, FakeHub, running
from tests.processes import PATIENCE_S

from mlxd.catalog import Catalogue
from mlxd.catalog.pull import Event, arguments, remote
from mlxd.catalog.pull.run import Pull

from .test_catalogue import write

NAME = "org/small"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running() as started:
        yield started


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [one for one in os.environ if one.startswith("HF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "hf" / "hub"


def weights(size: int) -> bytes:
    header = b'{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size, size)
    body = bytes(i * 7 % 251 for i in range(min(size, 5000))) * (size // 5000 + 1)
    return len(header).to_bytes(8, "little") + header + body[:size]


def small(folder: Path, size: int = 200_000) -> Path:
    made = write(folder / "source")
    (made / "model.safetensors").write_bytes(weights(size))
    (made / "modeling_own.py").write_text("raise SystemExit('run')")
    (made / "pytorch_model.bin").write_bytes(b"x" * 1000)
    (made / "tokenizer.model").write_bytes(b"pieces")
    (made / "preprocessor_config.json").write_text("{}")
    (made / "1_Pooling").mkdir()
    (made / "1_Pooling" / "config.json").write_text("{}")
    return made


class Puller:
    def __init__(self, hub: FakeHub, name: str = NAME, **environment: str) -> None:
        self.process = subprocess.Popen(
            arguments(name, ["org/small", "qwen3-vl-4b"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "HF_ENDPOINT": hub.url, "PYTHONWARNINGS": "ignore", **environment},
        )
        self.events: list[dict[str, Any]] = []

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.events
        self.events.append(json.loads(line))
        return self.events[-1]

    def until(self, what: Any) -> dict[str, Any]:
        while not what(event := self.next()):
            pass
        return event

    def ended(self) -> dict[str, Any]:
        last = self.until(lambda e: e["state"] in ("done", "failed", "cancelled"))
        self.close()
        return last

    def close(self) -> None:
        if self.process.poll() is None and (
            not self.events or self.events[-1]["state"] not in ("done", "failed", "cancelled")
        ):
            self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)


def pulled(hub: FakeHub, name: str = NAME, **environment: str) -> dict[str, Any]:
    """In this process: starting one takes longer than most downloads from here."""
    events: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in {"HF_ENDPOINT": hub.url, **environment}.items():
            patch.setenv(variable, value)
        # Read from the environment when that library is imported.
        patch.setattr(constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        before = set(threading.enumerate())
        last = Pull(name, ["org/small", "qwen3-vl-4b"], events.append, threading.Event()).run()
        # One that failed leaves the other connections to the end of its process, and there is none.
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("ThreadPoolExecutor"):
                thread.join(PATIENCE_S)
        close_session()
    assert events[-1] is last
    done = [event.done for event in events]
    assert done == sorted(done)
    made: dict[str, Any] = msgspec.to_builtins(last)
    return made


def test_everything_a_model_needs_and_nothing_else(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    source = small(tmp_path)
    hub.add(NAME, source)
    hub.switches.page = 3
    last = pulled(hub)
    assert last["state"] == "done", last
    folder = Path(last["path"])
    assert folder == home / "models--org--small" / "snapshots" / COMMIT
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors",
        "tokenizer.model", "preprocessor_config.json", "1_Pooling/config.json",
    }  # fmt: skip
    assert all((folder / name).read_bytes() == (source / name).read_bytes() for name in names)
    assert (home / "models--org--small" / "refs" / "main").read_text() == COMMIT
    assert last["done"] == last["total"] == sum((source / name).stat().st_size for name in names)
    assert Catalogue().find(NAME).path == folder


def test_hugging_faces_own_library_takes_what_is_there(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path))
    assert pulled(hub)["state"] == "done"
    code = (
        "from huggingface_hub import hf_hub_download, scan_cache_dir;"
        f"print(hf_hub_download({NAME!r}, 'model.safetensors', local_files_only=True));"
        "found = scan_cache_dir(); assert not found.warnings, found.warnings;"
        "assert [one.repo_id for one in found.repos] == ['org/small'], found"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()


def test_what_is_here_is_not_fetched_again(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    pulled(hub)
    before = len(hub.fetched("model.safetensors"))
    last = pulled(hub)
    assert last["state"] == "done"
    assert "here already" in last["message"]
    assert len(hub.fetched("model.safetensors")) == before == 1


def test_a_connection_that_breaks_is_taken_up_where_it_broke(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.cut_after, hub.switches.cuts = 50_000, 3
    assert pulled(hub)["state"] == "done"
    asked = hub.fetched("model.safetensors")
    assert len(asked) == 4
    assert asked[0].range is None
    assert [one.range for one in asked[1:]] == ["bytes=50000-", "bytes=100000-", "bytes=150000-"]


def test_a_server_that_ignores_ranges_sends_it_all_again(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.ranges = False
    hub.switches.cut_after, hub.switches.cuts = 50_000, 2
    assert pulled(hub)["state"] == "done"
    assert len(hub.fetched("model.safetensors")) == 3


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, None])
def test_a_stopped_download_goes_on_later(
    hub: FakeHub, home: Path, tmp_path: Path, end: signal.Signals | None
) -> None:
    hub.add(NAME, small(tmp_path, 2_000_000))
    hub.switches.stays_at = 1_000_000
    puller = Puller(hub)
    puller.until(lambda event: event["done"] > 300_000)
    if end is None:
        assert puller.process.stdin is not None
        puller.process.stdin.close()
        puller.process.stdin = None
    else:
        puller.process.send_signal(end)
    puller.process.communicate(timeout=PATIENCE_S)
    assert not (home / "models--org--small" / "snapshots").exists()
    hub.switches.stays_at = None
    assert pulled(hub)["state"] == "done"
    first, second = hub.fetched("model.safetensors")
    assert first.range is None
    assert second.range is not None
    assert int(second.range.removeprefix("bytes=").rstrip("-")) > 100_000
    assert second.sent < 2_000_000


def test_wrong_content_is_fetched_once_more_and_never_kept(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.corrupt = 1
    assert pulled(hub)["state"] == "done"
    assert len(hub.fetched("model.safetensors")) == 2


def test_content_that_stays_wrong_is_refused(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.corrupt = 100
    last = pulled(hub)
    assert last["state"] == "failed"
    assert last["error"]["code"] == "download_corrupt"
    assert "model.safetensors" in last["error"]["message"]
    assert not (home / "models--org--small" / "snapshots").exists()
    left = list((home / "models--org--small" / "blobs").iterdir())
    assert not [file for file in left if file.stat().st_size > 100_000]


def test_a_blob_that_was_damaged_is_fetched_again(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    folder = Path(pulled(hub)["path"])
    blob = (folder / "model.safetensors").resolve()
    blob.write_bytes(bytes(blob.stat().st_size))
    assert pulled(hub)["state"] == "done"
    assert blob.read_bytes() == hub.repositories[NAME].files["model.safetensors"]


def test_however_often_it_is_asked_for_it_comes_once(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path, 1_000_000))
    hub.switches.stays_at = 500_000
    pullers = [Puller(hub) for _ in range(3)]
    last: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda p=one: last.append(p.ended())) for one in pullers]
    for thread in threads:
        thread.start()
    until = time.monotonic() + PATIENCE_S
    while sum(any(map(follows, one.events)) for one in pullers) < 2:
        assert time.monotonic() < until, [one.events for one in pullers]
        time.sleep(0.01)
    hub.switches.stays_at = None
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [one["state"] for one in last] == ["done"] * 3
    assert len(hub.fetched("model.safetensors")) == 1
    assert len(hub.fetched("config.json")) == 1


def follows(event: dict[str, Any]) -> bool:
    return "another mlxd" in (event["message"] or "")


def test_events_come_at_most_once_a_second_with_rate_and_time_left(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path, 2_000_000))
    hub.switches.rate = 600_000
    began = time.monotonic()
    puller = Puller(hub)
    assert puller.ended()["state"] == "done"
    # All but the first, and the last, which is told when it is so.
    assert len(puller.events) - 2 <= time.monotonic() - began
    told = [e for e in puller.events if e["state"] == "downloading" and e["rate"]]
    assert told
    assert all(e["seconds_left"] >= 0 for e in told)
    assert all(e["total"] == told[0]["total"] for e in told)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_hub_is_asked_again_when_it_wants(
    hub: FakeHub, home: Path, tmp_path: Path, status: int
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.answers = [(status, {"Retry-After": "1"}), (status, {})]
    started = time.monotonic()
    assert pulled(hub)["state"] == "done"
    assert time.monotonic() - started > 1.9


def test_a_file_whose_server_is_busy_is_asked_for_again(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.answers = [(503, {"Retry-After": "1"})]
    hub.switches.answers_to = "/stored/"
    assert pulled(hub)["state"] == "done"


def test_a_hub_that_wants_an_hour_is_not_waited_for(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.answers = [(429, {"Retry-After": "3600"})] * 20
    last = pulled(hub)
    assert last["error"]["code"] == "hub_busy"
    assert "3600 s" in last["error"]["message"]


def test_no_such_model_names_what_was_probably_meant(hub: FakeHub, home: Path) -> None:
    last = pulled(hub, "org/smal")
    assert last["error"]["code"] == "hub_model_not_found"
    assert "Did you mean org/small?" in last["error"]["message"]
    assert pulled(hub, "org/smal", HF_TOKEN="hf_mine")["error"]["code"] == "hub_model_not_found"
    assert not (home / "models--org--smal").exists()


def test_a_gated_model_says_where_to_ask(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path), token="hf_right", gated=True)
    told = pulled(hub)["error"]
    assert told["code"] == "hub_model_gated"
    assert f"{hub.url}/{NAME}" in told["message"]
    assert "HF_TOKEN" in told["message"]
    refused = pulled(hub, HF_TOKEN="hf_wrong")["error"]
    assert refused["code"] == "hub_model_gated"
    assert "hf_wrong" not in refused["message"]
    assert pulled(hub, HF_TOKEN="hf_right")["state"] == "done"


def test_the_token_stays_with_the_hub(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path), token="hf_right")
    assert pulled(hub, HF_TOKEN="hf_right")["state"] == "done"
    stored = [one for one in hub.seen if one.path.startswith("/stored/")]
    assert stored
    assert not any(one.token for one in stored)


def test_offline_says_what_is_missing(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    nothing = pulled(hub, HF_HUB_OFFLINE="1")["error"]
    assert nothing["code"] == "offline"
    assert f"nothing of {NAME} is on this machine" in nothing["message"]
    folder = Path(pulled(hub)["path"])
    asked = len(hub.seen)
    assert pulled(hub, HF_HUB_OFFLINE="1")["state"] == "done"
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").unlink()
    lacking = pulled(hub, HF_HUB_OFFLINE="1")["error"]["message"]
    assert "no tokenizer" in lacking
    assert len(hub.seen) == asked


def test_no_hub_there(
    hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.close()
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.01)
    told = pulled(hub)["error"]
    assert told["code"] == "hub_unreachable"
    assert hub.url in told["message"]


@pytest.mark.parametrize(
    ("status", "token", "told"),
    [
        (401, "", "refuses org/small without a token"),
        (403, "", "refuses org/small without a token"),
        (401, "hf_old", "does not accept the token that is set"),
        (403, "hf_old", "the token that is set may not read org/small"),
    ],
)
def test_a_refusal_without_a_reason(
    hub: FakeHub, home: Path, tmp_path: Path, status: int, token: str, told: str
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.answers = [(status, {"X-Error-Message": "Invalid credentials"})] * 20
    error = pulled(hub, **({"HF_TOKEN": token} if token else {}))["error"]
    assert error["code"] == "hub_unauthorized"
    assert told in error["message"]
    assert "hf_old" not in error["message"]


def test_a_page_that_asks_for_a_log_in_is_no_file(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.answers = [(200, {"Content-Type": "text/html; charset=utf-8"})] * 20
    hub.switches.answers_to = "/resolve/"
    error = Puller(hub).ended()["error"]
    assert error["code"] == "hub_wrong"
    assert "sends a web page where" in error["message"]
    assert not list(home.rglob("snapshots/*/config.json"))


def test_an_address_that_is_none_is_said_at_once(hub: FakeHub, home: Path) -> None:
    error = pulled(hub, HF_ENDPOINT="mirror.example")["error"]
    assert error["code"] == "hub_wrong"
    assert "HF_ENDPOINT is 'mirror.example'" in error["message"]
    assert not hub.seen


def test_a_cache_that_cannot_be_written_is_named(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    (tmp_path / "file").write_text("")
    error = pulled(hub, HF_HOME=str(tmp_path / "file" / "hf"))["error"]
    assert error["code"] == "cannot_write"
    assert "HF_HOME" in error["message"]


def test_answers_that_always_break_off(
    hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is there, so nobody is sent to look at the network."""
    hub.add(NAME, small(tmp_path))
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.01)
    hub.switches.ranges = False
    hub.switches.cuts, hub.switches.cut_after = 50, 8192
    error = pulled(hub)["error"]
    assert "break off" in error["message"]
    assert error["code"] == "hub_unreachable"


def test_a_hub_that_gives_next_to_nothing_at_a_time_is_given_up(
    hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kilobyte a connection is progress, and would last for weeks."""
    hub.add(NAME, small(tmp_path))
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.01)
    hub.switches.cuts, hub.switches.cut_after = 50, 1000
    error = pulled(hub)["error"]
    assert error["code"] == "hub_unreachable"
    assert "break off" in error["message"]
    assert len(hub.fetched("model.safetensors")) < 10


def test_room_is_looked_at_before(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    class Vast(bytes):
        def __len__(self) -> int:
            return 10**16

    files = {p.name: p.read_bytes() for p in small(tmp_path).iterdir() if p.is_file()}
    hub.add(NAME, {**files, "model.safetensors": Vast(b"x")})
    told = pulled(hub)["error"]
    assert told["code"] == "disk_full"
    assert "10000000.1 GB are needed" in told["message"]
    assert not hub.fetched("model.safetensors")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: {**f, "config.json": b'{"model_type": "whisper"}'}, "'whisper'"),
        (lambda f: {k: v for k, v in f.items() if "safetensors" not in k}, "not safetensors"),
        (lambda f: {"model.gguf": b"x", "README.md": b"x"}, "GGUF"),
        (lambda f: {k: v for k, v in f.items() if k != "config.json"}, "no config.json"),
    ],
)
def test_what_cannot_be_served_is_not_downloaded(
    hub: FakeHub, home: Path, tmp_path: Path, change: Any, told: str
) -> None:
    files = {p.name: p.read_bytes() for p in small(tmp_path).iterdir() if p.is_file()}
    hub.add(NAME, change(files))
    error = pulled(hub)["error"]
    assert error["code"] == "not_servable"
    assert told in error["message"]
    assert not hub.fetched("model.safetensors")


def test_a_mirror_without_listings(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.tree = False
    hub.switches.elsewhere = False
    assert pulled(hub)["state"] == "done"


def test_names_that_lead_out_of_the_folder_are_left_out(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    files = {p.name: p.read_bytes() for p in small(tmp_path).iterdir() if p.is_file()}
    hub.add(NAME, {**files, "../../../../out.json": b"{}", "/abs.json": b"{}"})
    assert pulled(hub)["state"] == "done"
    assert not list(tmp_path.rglob("out.json"))


def test_a_new_revision_shows_once_it_is_whole(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    old = Path(pulled(hub)["path"])
    fresh = dict(hub.repositories[NAME].files)
    fresh["model.safetensors"] = weights(300_000)
    hub.add(NAME, fresh, commit="f" * 40)
    hub.switches.corrupt = 100
    assert pulled(hub)["state"] == "failed"
    assert Catalogue().find(NAME).path == old
    hub.switches.corrupt = 0
    new = Path(pulled(hub)["path"])
    assert new.name == "f" * 40
    assert Catalogue().find(NAME).path == new
    assert len(hub.fetched("tokenizer.model")) == 1
