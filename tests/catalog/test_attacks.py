"""A hub, or a mirror, or somebody in between, that means no good or has lost its mind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.hub import COMMIT, running
from tests.processes import PATIENCE_S

from mlxd.catalog import Catalogue
from mlxd.catalog.pull import record, remote

from .test_pull import NAME, FakeHub, Puller, home, hub, pulled, small, weights

__all__ = ["home", "hub"]

Entries = list[dict[str, Any]]


def everything(folder: Path) -> set[Path]:
    """All files but those of the cache, which is where they belong."""
    return {path for path in folder.rglob("*") if path.is_file() and "hf" not in path.parts}


@pytest.mark.parametrize(
    "name",
    [
        "../../../../../out.json",
        "a/../../../../../../out.json",
        "/abs/out.json",
        "..\\..\\out.json",
        "C:out.json",
        "./out.json",
        "a//out.json",
        "out.json\n",
        "out\x00.json",
        "out\u202egnp.json",
        ".git/out.json",
        "a/.hidden/out.json",
        "..",
        "",
    ],
)
def test_no_name_leads_out_of_the_folder(
    hub: FakeHub, home: Path, tmp_path: Path, name: str
) -> None:
    hub.add(NAME, small(tmp_path))
    before = everything(tmp_path)
    stray = {"type": "file", "oid": "a" * 40, "size": 2, "path": name}
    hub.switches.listed = lambda entries: [*entries, stray]
    last = pulled(hub)
    assert last["state"] == "done", last
    assert everything(tmp_path) == before
    assert not list(tmp_path.rglob("*out*"))


@pytest.mark.parametrize("mark", ["../../../../victim", "/tmp/mlxd-victim", "..", "a/b", "x" * 300])
def test_no_mark_of_a_file_becomes_a_path(
    hub: FakeHub, home: Path, tmp_path: Path, mark: str
) -> None:
    """Where a listing has no hashes, a header names the content, and so a file of the cache."""
    hub.add(NAME, small(tmp_path))
    before = everything(tmp_path)
    hub.switches.listed = lambda entries: [
        {"type": "file", "path": one["path"]} for one in entries if one["type"] == "file"
    ]
    hub.switches.etag = mark
    error = pulled(hub)["error"]
    assert error["code"] == "hub_wrong", error
    assert everything(tmp_path) == before


@pytest.mark.parametrize("commit", ["../../../../out", "/tmp/mlxd-out", "..", "", "a/b"])
def test_no_commit_becomes_a_path(hub: FakeHub, home: Path, tmp_path: Path, commit: str) -> None:
    hub.add(NAME, small(tmp_path), commit=commit)
    error = pulled(hub)["error"]
    assert error["code"] == "hub_wrong"
    assert "names no commit" in error["message"]
    assert not (home / "models--org--small").exists()


@pytest.mark.parametrize(
    "listed",
    [
        lambda entries: {"error": "no list"},
        lambda entries: [None, 1, "x"],
        lambda entries: [{**one, "size": "12"} for one in entries],
        lambda entries: [{**one, "size": -1, "lfs": None} for one in entries],
        lambda entries: [{**one, "path": ["a"]} for one in entries],
        lambda entries: [{**one, "lfs": "yes"} for one in entries],
    ],
)
def test_a_listing_that_is_none(
    hub: FakeHub, home: Path, tmp_path: Path, listed: Callable[[Entries], Any]
) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.listed = listed
    error = pulled(hub)["error"]
    assert error["code"] == "hub_wrong", error
    assert "answered what no hub does" in error["message"]


def resized(by: int) -> Callable[[Entries], Entries]:
    def listed(entries: Entries) -> Entries:
        for one in entries:
            if one["path"] == "model.safetensors":
                one["size"] = one["lfs"]["size"] = one["size"] + by
        return entries

    return listed


@pytest.mark.parametrize("by", [-1000, 1000])
def test_a_size_that_is_not_true_ends_the_download(
    hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: int
) -> None:
    hub.add(NAME, small(tmp_path))
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.01)
    hub.switches.listed = resized(by)
    error = pulled(hub)["error"]
    assert error["code"] == "download_corrupt", error
    assert len(hub.fetched("model.safetensors")) <= 4
    assert not (home / "models--org--small" / "snapshots").exists()


def test_a_body_without_end_is_cut(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    for where in ("/tree/", "/revision/"):
        hub.switches.endless = where
        error = pulled(hub)["error"]
        assert error["code"] == "hub_wrong"
        assert "without an end" in error["message"]


def test_a_file_without_end_is_cut(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.endless = "/stored/"
    error = pulled(hub)["error"]
    assert error["code"] == "download_corrupt"
    left = (home / "models--org--small" / "blobs").iterdir()
    assert sum(path.stat().st_size for path in left) < 300_000


def test_pages_that_lead_in_a_circle(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    hub.switches.page = 3
    hub.switches.next_page = lambda address: address.partition("&cursor")[0] + "&cursor=0"
    assert "a listing that does not end" in pulled(hub)["error"]["message"]


def test_pages_without_end(
    hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(NAME, small(tmp_path))
    monkeypatch.setattr(remote, "MOST_FILES", 50)
    numbers = iter(range(10**9))
    hub.switches.page = 3
    hub.switches.next_page = lambda address: f"{address}&n={next(numbers)}".replace("cursor", "c")
    assert "a listing that does not end" in pulled(hub)["error"]["message"]


def test_the_next_page_is_asked_of_the_hub_that_was_named(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    """A mirror that passes on its source's addresses: the token stays here, all pages come."""
    hub.add(NAME, small(tmp_path), token="hf_right")
    hub.switches.page = 3
    with running() as stranger:
        hub.switches.next_page = lambda address: stranger.url + address.partition(hub.url)[2]
        last = pulled(hub, HF_TOKEN="hf_right")
        assert last["state"] == "done", last
        assert not stranger.seen
    assert len([one for one in hub.seen if "/tree/" in one.path]) > 1


def test_redirects_that_lead_elsewhere(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    """To a stranger, who gets no token and whose content is not what was promised; in a circle; to
    a file of this machine."""
    hub.add(NAME, small(tmp_path), token="hf_right")
    with running() as stranger:
        stranger.add(NAME, {"model.safetensors": weights(200_000)[::-1]})
        hub.switches.location = f"{stranger.url}/stored/{NAME}/model.safetensors"
        error = pulled(hub, HF_TOKEN="hf_right")["error"]
        assert error["code"] == "download_corrupt"
        assert stranger.seen
        assert not any(one.token for one in stranger.seen)
    hub.switches.location = f"{hub.url}/{NAME}/resolve/{COMMIT}/model.safetensors"
    assert pulled(hub, HF_TOKEN="hf_right")["error"]["code"] == "hub_wrong"


def test_a_redirect_to_a_file_of_this_machine(
    hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.01)
    source = small(tmp_path)
    hub.add(NAME, source)
    hub.switches.location = (source / "model.safetensors").as_uri()
    assert pulled(hub)["state"] == "failed"


@pytest.mark.parametrize("told", ["²", "-5", "1e9", "nan", "tomorrow", "Fri, 31 Dec 99999 0:0:0"])
def test_a_wish_to_wait_that_is_none(
    hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setattr(remote, "FIRST_WAIT_S", 0.01)
    hub.add(NAME, small(tmp_path))
    latin = told.encode().decode("latin-1")
    hub.switches.answers = [(429, {"Retry-After": latin})] * 2
    hub.switches.answers_to = "/stored/"
    assert pulled(hub)["state"] == "done"


def test_names_in_any_script(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    files = {p.name: p.read_bytes() for p in small(tmp_path).iterdir() if p.is_file()}
    strange = {"模型说明.json", "ключ.json", "a b+c%20d#e?f.json", "émoji-🙂.json", "é.json"}
    hub.add(NAME, {**files, **dict.fromkeys(strange, b"{}")})
    last = pulled(hub)
    assert last["state"] == "done", last
    folder = Path(last["path"])
    assert all((folder / name).read_bytes() == b"{}" for name in strange)


def test_a_name_longer_than_a_name_may_be(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    files = {p.name: p.read_bytes() for p in small(tmp_path).iterdir() if p.is_file()}
    hub.add(NAME, {**files, "長" * 200 + ".json": b"{}"})
    error = pulled(hub)["error"]
    assert error["code"] == "cannot_write"
    assert "File name too long" in error["message"]


def test_names_that_differ_in_case_stay_two(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    files = {p.name: p.read_bytes() for p in small(tmp_path).iterdir() if p.is_file()}
    hub.add(NAME, {**files, "Extra.json": b"[1]", "extra.json": b"[2]"})
    folder = tmp_path / "looking"
    folder.mkdir()
    (folder / "a").touch()
    if (folder / "A").exists():
        error = pulled(hub)["error"]
        assert error["code"] == "cannot_write"
        assert "takes for the same" in error["message"]
        return
    folder = Path(pulled(hub)["path"])
    assert (folder / "Extra.json").read_bytes() == b"[1]"
    assert (folder / "extra.json").read_bytes() == b"[2]"


def test_a_file_that_is_a_folder_too(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    files = {p.name: p.read_bytes() for p in small(tmp_path).iterdir() if p.is_file()}
    hub.add(NAME, {**files, "extra": b"1", "extra/more.json": b"2"})
    error = pulled(hub)["error"]
    assert error["code"] == "hub_wrong"
    assert "as a file and as a folder" in error["message"]
    assert not hub.fetched("model.safetensors")


def test_a_revision_that_moves_while_it_comes(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    """What was listed can't be had any more, and files of two revisions are never mixed."""
    hub.add(NAME, small(tmp_path))
    hub.switches.moves_to = "e" * 40
    error = pulled(hub)["error"]
    assert error["code"] == "hub_changed", error
    assert "Pull again" in error["message"]
    assert not (home / "models--org--small" / "snapshots").exists()
    hub.switches.moves_to = None
    last = pulled(hub)
    assert last["state"] == "done"
    assert Path(last["path"]).name == "e" * 40


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_below_a_path(hub: FakeHub, home: Path, tmp_path: Path, slash: str) -> None:
    hub.add(NAME, small(tmp_path), token="hf_right")
    hub.switches.root = "/mirrors/hf"
    hub.switches.page = 3
    last = Puller(hub, HF_ENDPOINT=hub.url + slash, HF_TOKEN="hf_right").ended()
    assert last["state"] == "done", last
    assert all(one.path.startswith(("/mirrors/hf/", "/stored/")) for one in hub.seen)


@pytest.mark.skipif(sys.platform != "linux", reason="a disk of one's own is made on Linux only")
def test_a_disk_that_becomes_full_in_the_middle(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    """A file system of its own, that somebody else fills meanwhile."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=110m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount anything")
    try:
        hub.add(NAME, small(tmp_path, 4_000_000))
        hub.switches.stays_at = 1_000_000
        puller = Puller(hub, HF_HOME=str(disk / "hf"))
        puller.until(lambda event: event["done"] > 300_000)
        with (disk / "others").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1_000_000))
            except OSError:
                pass
        hub.switches.stays_at = None
        last = puller.ended()
        assert last["state"] == "failed"
        assert last["error"]["code"] == "disk_full"
        assert "make room" in last["error"]["message"].lower()
        (disk / "others").unlink()
        assert Puller(hub, HF_HOME=str(disk / "hf")).ended()["state"] == "done"
        assert hub.fetched("model.safetensors")[-1].range
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_ten_thousand_files(
    hub: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done for each file must not be done with all the others: not in looking what is
    here, not in counting, not in writing down."""
    files = {p.name: p.read_bytes() for p in small(tmp_path).iterdir() if p.is_file()}
    many = {f"parts/{number}.json": b"{}" for number in range(10_000)}
    some = {f"own/{number}.json": b"%d" % number for number in range(60)}
    hub.add(NAME, {**files, **many, **some})
    written: list[int] = []
    kept = record.write
    monkeypatch.setattr(
        record, "write", lambda hub_id, told: (written.append(len(told.blobs)), kept(hub_id, told))
    )
    compared = 0

    def same(self: remote.RemoteFile, other: object) -> bool:
        nonlocal compared
        compared += 1
        return self is other

    monkeypatch.setattr(remote.RemoteFile, "__eq__", same)
    hub.switches.page = 20_000
    began = time.monotonic()
    last = pulled(hub)
    assert last["state"] == "done", last
    assert last["files_done"] == last["files_total"] > 10_060
    # Once a second, and when a part of it has come: not for each file.
    assert len(written) <= time.monotonic() - began + 6
    assert compared < 10_000
    again = pulled(hub)
    assert "here already" in again["message"]
    assert compared < 10_000
    assert len(hub.fetched("parts/1.json")) + len(hub.fetched("parts/9999.json")) <= 1


def test_what_has_come_is_written_down_when_it_is_stopped(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    """Else it would be taken for somebody else's, and `rm` would leave it."""
    hub.add(NAME, small(tmp_path, 2_000_000))
    hub.switches.stays_at = 1_000_000
    puller = Puller(hub)
    puller.until(lambda event: event["done"] > 200_000)
    puller.process.terminate()
    puller.process.communicate(timeout=PATIENCE_S)
    known = record.read(NAME)
    blobs = home / "models--org--small" / "blobs"
    whole = {path.name for path in blobs.iterdir() if "incomplete" not in path.name}
    assert whole
    assert whole == {name for name, one in known.blobs.items() if one.ours}
    (row,) = [one for one in Catalogue().found() if one.name == NAME]
    assert row.entry is None
    assert "download has not ended" in row.reasons[0]
    assert f"mlxd models pull {NAME}" in row.reasons[0]
