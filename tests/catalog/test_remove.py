"""What `models rm` takes away, and what it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.hub import FakeHub

from mlxd.catalog import Catalogue, NotDownloaded
from mlxd.catalog.pull import downloading
from mlxd.catalog.pull.places import Lock
from mlxd.catalog.pull.remove import plan
from mlxd.supervisor.store import Assigned, Store

from .test_catalogue import cached
from .test_pull import NAME, home, hub, pulled, small, weights

__all__ = ["home", "hub"]


def command(*arguments: str, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLXD_CONFIG": os.devnull}
    if data is not None:
        environment["MLXD_DATA_DIR"] = str(data)
    return subprocess.run(
        [sys.executable, "-m", "mlxd", "models", "rm", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


def test_all_that_was_downloaded_goes_and_it_is_said_how_much(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path))
    size = pulled(hub)["total"]
    asked = command(NAME, data=tmp_path / "data")
    assert asked.returncode == 1
    assert "--yes" in asked.stderr
    assert Catalogue().find(NAME)
    done = command(NAME, "--yes", "--json", data=tmp_path / "data")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # What is there twice is kept once.
    assert size - 10 < told["freed"] <= size
    assert told["kept"] == []
    assert not (home / "models--org--small").exists()
    with pytest.raises(NotDownloaded):
        Catalogue().find(NAME)


def test_what_others_put_there_stays(home: Path, tmp_path: Path) -> None:
    folder = cached(home, NAME)
    done = command(NAME, "--yes", data=tmp_path / "data")
    assert done.returncode == 1
    assert "not downloaded by mlxd" in done.stderr
    assert (folder / "model.safetensors").exists()


def test_files_that_were_there_before_stay(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    config = hub.repositories[NAME].files["config.json"]
    import hashlib

    blob = hashlib.sha1(b"blob %d\0" % len(config) + config).hexdigest()
    blobs = home / "models--org--small" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / blob).write_bytes(config)
    pulled(hub)
    removal = plan(NAME)
    assert blob not in {path.name for path in removal.blobs}
    assert removal.kept == ["1 file that mlxd did not download"]
    assert command(NAME, "--yes", data=tmp_path / "data").returncode == 0
    assert [path.name for path in blobs.iterdir()] == [blob]


def test_what_another_revision_needs_stays(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    folder = Path(pulled(hub)["path"])
    other = folder.parent / ("e" * 40)
    other.mkdir()
    shared = (folder / "tokenizer.model").resolve()
    (other / "tokenizer.model").symlink_to(os.path.relpath(shared, other))
    removal = plan(NAME)
    assert shared not in removal.blobs
    assert "1 file that another revision uses" in removal.kept
    assert command(NAME, "--yes", data=tmp_path / "data").returncode == 0
    assert (other / "tokenizer.model").read_bytes() == b"pieces"


def test_all_revisions_that_were_downloaded_go(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    pulled(hub)
    files = {**hub.repositories[NAME].files, "model.safetensors": weights(300_000)}
    hub.add(NAME, files, commit="f" * 40)
    pulled(hub)
    assert command(NAME, "--yes", data=tmp_path / "data").returncode == 0
    assert not (home / "models--org--small").exists()


def test_what_is_assigned_stays_unless_forced(hub: FakeHub, home: Path, tmp_path: Path) -> None:
    hub.add(NAME, small(tmp_path))
    path = pulled(hub)["path"]
    Store(tmp_path / "data").assign([Assigned("text", NAME, path)])
    refused = command(NAME, "--yes", data=tmp_path / "data")
    assert refused.returncode == 7
    assert "serves text" in refused.stderr
    assert Catalogue().find(NAME)
    assert command(NAME, "--yes", "--force", data=tmp_path / "data").returncode == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pilot", "part of mlxd"),
        ("org/absent", "not on this machine"),
        ("no-such", "no model named 'no-such'"),
    ],
)
def test_names_that_cannot_be_removed(home: Path, tmp_path: Path, name: str, told: str) -> None:
    done = command(name, "--yes", data=tmp_path / "data")
    assert done.returncode == 1
    assert told in done.stderr


def test_what_begins_to_be_downloaded_just_now_stays(
    hub: FakeHub, home: Path, tmp_path: Path
) -> None:
    hub.add(NAME, small(tmp_path))
    pulled(hub)
    lock = Lock(NAME)
    assert lock.take()  # and nothing was said of how far it is
    begun = downloading(NAME)
    assert begun is not None
    assert (begun.state, begun.percent) == ("resolving", None)
    refused = command(NAME, "--yes", data=tmp_path / "data")
    assert "is being downloaded just now" in refused.stderr
    assert refused.returncode != 0
    lock.release()
    assert downloading(NAME) is None
    assert command(NAME, "--yes", data=tmp_path / "data").returncode == 0
