"""Folders that hold more than files, and names that are more than letters."""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlxd.desk.documents.intake import _files_below
from mlxd.desk.documents.kinds import SUFFIXES

from .service import PATIENCE_S, Service

# As bytes, since a name need not be text.
NAMES = {
    b"two\nlines.txt": "wryneck",
    "\u202etxt.gnisrever \u2066.txt".encode(): "siskin",
    b"caf\xe9 \xff\xfe.txt": "brambling",
    b"a" * 251 + b".txt": "dunnock",
    b"%41 ?#&=.txt": "whinchat",
    b'quote" and ; semicolon.txt': "stonechat",
    b"  .txt": "redpoll",
}


def trap(folder: Path) -> set[str]:
    """What is no file, under names that promise one; and files under all names that can be made."""
    os.mkfifo(folder / "pipe.txt")
    # Its address may be too long for one.
    with suppress(OSError), socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.pdf"))
    (folder / "round").symlink_to(folder)
    (folder / "itself.txt").symlink_to(folder / "itself.txt")
    (folder / "elsewhere.txt").symlink_to("/etc/hostname")
    (folder / "folder.txt").mkdir()
    made = set()
    for name, bird in NAMES.items():
        try:
            with open(os.fsencode(folder) + b"/" + name, "w") as file:
                file.write(f"The {bird} was seen here.")
        except OSError:  # this file system wants its names to be text
            continue
        made.add(bird)
    return made


def added(service: Service, folder: Path) -> Any:
    command = [sys.executable, "-m", "mlxd", "docs", "add", str(folder), "--json"]
    done = subprocess.run(
        [*command, "--url", str(service.http.base_url)],
        capture_output=True,
        text=True,
        env={**os.environ, "MLXD_CONFIG": os.devnull},
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_folder_with_pipes_loops_and_strange_names_is_read(
    service: Service, folder: Path
) -> None:
    there = folder / "trap"
    there.mkdir()
    birds = trap(there)
    made = added(service, there)
    assert made["refused"] == []
    assert [job["state"] for job in made["jobs"]] == ["done"] * len(birds)
    for bird in birds:
        [hit] = service.search(bird)
        assert hit["document"]["source"].startswith("file://")
    # What was taken is known again, whatever it is called.
    assert added(service, there)["added"] == []


def test_the_service_takes_only_files_of_a_folder(tmp_path: Path) -> None:
    birds = trap(tmp_path)
    found = _files_below(tmp_path)
    assert len(found) == len(birds)
    assert {file.suffix for file in found} <= set(SUFFIXES)
