"""What is sent goes to the disk as it comes, and to the right one."""

import asyncio
import errno
import os
import socket
import sys
from pathlib import Path

import pytest
from starlette.requests import Request

from mlxd.desk.answers import Refused
from mlxd.desk.documents import uploads
from mlxd.desk.documents.files import FORGOTTEN_S, Files

from .service import Service, eventually

MB = 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_an_upload_lies_beside_where_it_is_kept_while_it_comes(service: Service) -> None:
    """The system's own place for such files may be memory."""
    service.indexed(("first.txt", b"With this the desk is there."))
    desk = service.desk()
    assert desk is not None
    head = (
        b"POST /documents HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8000000\r\n"
        b"content-type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        b'content-disposition: form-data; name="file"; filename="half.txt"\r\n\r\n'
    )
    before = desk.memory_info().rss
    url = service.http.base_url
    with socket.create_connection((url.host, url.port), 60) as client:
        client.sendall(head + b"half " * MB)
        incoming = str(service.data / "documents" / "incoming")
        eventually(lambda: any(one.startswith(incoming) for one in opened(desk.pid)))
        eventually(lambda: sizes(desk.pid, incoming) > 4 * MB)
    eventually(lambda: not any(one.startswith(incoming) for one in opened(desk.pid)))
    assert desk.memory_info().rss - before < 64 * MB


def opened(pid: int) -> dict[str, int]:
    """Its open files, and how large each is."""
    found = {}
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[os.readlink(one)] = one.stat().st_size
        except OSError:  # closed between two looks
            continue
    return found


def sizes(pid: int, below: str) -> int:
    return sum(size for name, size in opened(pid).items() if name.startswith(below))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named(number: int) -> None:
    async def sent() -> None:
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async with uploads.form(Request({"type": "http", "headers": []}, receive), files=1):
            raise OSError(number, os.strerror(number))

    with pytest.raises(Refused) as refused:
        asyncio.run(sent())
    assert (refused.value.status, refused.value.code) == (507, "storage_full")


def test_what_a_killed_desk_left_on_its_way_is_gone_in_the_end(tmp_path: Path) -> None:
    incoming = Files(tmp_path).incoming
    for name in ("old", "new"):
        (incoming / f"{name}-folder").mkdir()
        (incoming / f"{name}-folder" / "original").write_bytes(b"scan")
        (incoming / name).write_bytes(b"half")
    for name in ("old", "old-folder"):
        past = (incoming / name).stat().st_mtime - 2 * FORGOTTEN_S
        os.utime(incoming / name, (past, past))
    Files(tmp_path)
    assert sorted(one.name for one in incoming.iterdir()) == ["new", "new-folder"]


def test_what_is_too_large_leaves_nothing_behind(tmp_path: Path) -> None:
    files = Files(tmp_path)
    source = tmp_path / "large"
    source.write_bytes(bytes(3 * MB))
    with source.open("rb") as stream, pytest.raises(ValueError, match="more than 2000000"):
        files.take(stream, 2 * MB)
    assert list(files.incoming.iterdir()) == []
