"""A hub on this machine: a real server with the real one's addresses and headers, and switches for
what goes wrong between it and a client. `python -m tests.fakes.hub ORG/NAME=FOLDER...` serves
folders until it is ended."""

import contextlib
import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".model", ".bin", ".gguf")
WEIGHTS = ".safetensors"
PORTION = 4096
DRIP_S = 0.1


@dataclass
class Repository:
    files: dict[str, bytes]
    commit: str = COMMIT
    token: str | None = None
    gated: bool = False


@dataclass
class Seen:
    method: str
    path: str
    range: str | None
    token: str | None
    status: int = 0
    sent: int = 0


@dataclass
class Switches:
    """Each counts down where it is a number: so many times, then all is well again."""

    # Bytes a second of each file.
    rate: float | None = None
    # From here on weights only drip, until this is None again.
    stays_at: int | None = None
    # The connection ends after so many bytes of weights, so many times.
    cut_after: int = 0
    cuts: int = 0
    # Weights with other content of the same length.
    corrupt: int = 0
    # Answers to the next requests: a status, and a header for each.
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    # Only requests whose path has this in it get one of them.
    answers_to: str = ""
    ranges: bool = True
    tree: bool = True
    # Large files come from another address, as from a network for delivery.
    elsewhere: bool = True
    page: int = 1000
    # What a listing says instead of the truth.
    listed: Callable[[list[dict[str, Any]]], Any] = lambda entries: entries
    # The address of the next page, in place of the right one.
    next_page: Callable[[str], str] = lambda address: address
    # The hub is not at the root of its host.
    root: str = ""
    # The mark of files that are not large, in place of their hash.
    etag: str | None = None
    # Where large files are sent for, in place of the storage.
    location: str | None = None
    # Paths with this in them are answered with JSON that never ends.
    endless: str | None = None
    # The commit that the model has from the moment when its listing was asked for.
    moves_to: str | None = None


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is no news here; any other defect is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class FakeHub:
    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.switches = Switches()
        self.seen: list[Seen] = []
        self.lock = threading.Lock()
        self._servers = [self._serve(), self._serve()]

    def _serve(self) -> ThreadingHTTPServer:
        server = _Server(("127.0.0.1", 0), _Handler)
        server.daemon_threads = True
        server.hub = self  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def url(self) -> str:
        return f"{self.host}{self.switches.root}"

    @property
    def storage(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def add(self, name: str, files: dict[str, bytes] | Path, **more: Any) -> Repository:
        if isinstance(files, Path):
            files = {
                path.relative_to(files).as_posix(): path.read_bytes()
                for path in sorted(files.rglob("*"))
                if path.is_file()
            }
        self.repositories[name] = Repository(files, **more)
        return self.repositories[name]

    def fetched(self, name: str) -> list[Seen]:
        """Requests for the content of this file that were answered with some."""
        return [
            one
            for one in self.seen
            if one.method == "GET" and one.path.endswith(name) and one.status in (200, 206)
        ]

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


@contextlib.contextmanager
def running() -> Iterator[FakeHub]:
    hub = FakeHub()
    try:
        yield hub
    finally:
        hub.close()


def blob_of(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _hub(self) -> FakeHub:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def log_message(self, *_: object) -> None:
        """Tests read `seen` instead."""

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def _handle(self) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        path = unquote(urlsplit(self.path).path)
        self._now = Seen(self.command, path, self.headers.get("Range"), token)
        switches = self._hub.switches
        inside = path.startswith((f"{switches.root}/", "/stored/"))
        path = path.removeprefix(switches.root) if inside else "/outside"
        with self._hub.lock:
            self._hub.seen.append(self._now)
            wanted = switches.answers_to in path
            answer = switches.answers.pop(0) if switches.answers and wanted else None
        if answer is not None:
            self._send(answer[0], b'{"error": "made to fail"}', answer[1])
        elif switches.endless is not None and switches.endless in path:
            self._endless()
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/([^/]+))?", path):
            self._info(found[1], found[3])
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            self._tree(found[1], found[2])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(found[1], found[2], found[3])
        elif found := re.fullmatch(r"/stored/([^/]+/[^/]+)/(.+)", path):
            self._stored(found[1], found[2])
        else:
            self._send(404, b"{}", {})

    def _repository(self, name: str, revision: str | None) -> Repository | None:
        found = self._hub.repositories.get(name)
        code = None
        if found is None or (found.token and found.token != self._now.token):
            status, code = (404 if self._now.token else 401), "RepoNotFound"
            if found is not None and found.gated:
                status, code = 403 if self._now.token else 401, "GatedRepo"
        elif revision not in (None, "main", found.commit):
            status, code = 404, "RevisionNotFound"
        if code is None:
            return found
        self._send(status, b'{"error": "no"}', {"X-Error-Code": code, "X-Error-Message": code})
        return None

    def _info(self, name: str, revision: str | None) -> None:
        found = self._repository_without_gate(name, revision)
        if found is None:
            return
        blobs = "blobs" in parse_qs(urlsplit(self.path).query)
        siblings = [
            {"rfilename": path, **(self._details(content, path) if blobs else {})}
            for path, content in found.files.items()
        ]
        told = {
            "_id": "1", "id": name, "modelId": name, "sha": found.commit, "private": False,
            "gated": "auto" if found.gated else False, "tags": [], "downloads": 1,
            "siblings": siblings,
        }  # fmt: skip
        self._json(told)

    def _repository_without_gate(self, name: str, revision: str | None) -> Repository | None:
        """Of a gated model, the hub shows everything but its files."""
        found = self._hub.repositories.get(name)
        if found is not None and found.gated and revision in (None, "main", found.commit):
            return found
        return self._repository(name, revision)

    def _details(self, content: bytes, path: str) -> dict[str, Any]:
        made: dict[str, Any] = {"size": len(content), "blobId": blob_of(content)}
        if path.endswith(LARGE):
            sha256 = hashlib.sha256(content).hexdigest()
            made["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
        return made

    def _tree(self, name: str, revision: str) -> None:
        found = self._repository_without_gate(name, revision)
        if found is None:
            return
        if not self._hub.switches.tree:
            self._send(404, b"{}", {})
            return
        query = parse_qs(urlsplit(self.path).query)
        entries: list[dict[str, Any]] = []
        folders = {path.rpartition("/")[0] for path in found.files} - {""}
        entries += [{"type": "directory", "oid": "0" * 40, "size": 0, "path": p} for p in folders]
        for path, content in found.files.items():
            entry = {"type": "file", "oid": blob_of(content), "size": len(content), "path": path}
            if path.endswith(LARGE):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 134}
                entry["xetHash"] = hashlib.sha256(b"xet" + content).hexdigest()
            entries.append(entry)
        if (moves_to := self._hub.switches.moves_to) is not None:
            found.commit = moves_to
        start = int(query.get("cursor", ["0"])[0])
        page = self._hub.switches.page
        headers = {}
        if start + page < len(entries):
            address = f"{self._hub.host}{urlsplit(self.path).path}?recursive=true&expand=false"
            address = self._hub.switches.next_page(f"{address}&cursor={start + page}")
            headers["Link"] = f'<{address}>; rel="next"'
        self._json(self._hub.switches.listed(entries[start : start + page]), headers)

    def _resolve(self, name: str, revision: str, path: str) -> None:
        found = self._repository(name, revision)
        if found is None:
            return
        if path not in found.files:
            code = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": found.commit}
            self._send(404, b"", code)
            return
        content = found.files[path]
        headers = {"X-Repo-Commit": found.commit, "Accept-Ranges": "bytes"}
        if not path.endswith(LARGE):
            etag = self._hub.switches.etag or blob_of(content)
            self._content(content, {**headers, "ETag": f'"{etag}"'}, path)
            return
        sha256 = hashlib.sha256(content).hexdigest()
        headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
        if self._hub.switches.elsewhere:
            stored = f"{self._hub.storage}/stored/{name}/{path}"
            headers |= {"Location": self._hub.switches.location or stored}
            self._send(302, b"", {**headers, "ETag": f'"{sha256}"'})
        else:
            self._content(content, {**headers, "ETag": f'"{sha256}"'}, path)

    def _stored(self, name: str, path: str) -> None:
        content = self._hub.repositories[name].files[path]
        self._content(content, {"ETag": '"of-the-storage"', "Accept-Ranges": "bytes"}, path)

    def _content(self, content: bytes, headers: dict[str, str], path: str) -> None:
        switches = self._hub.switches
        large = path.endswith(WEIGHTS)
        with self._hub.lock:
            if large and switches.corrupt and self.command == "GET":
                switches.corrupt -= 1
                content = bytes(255 - byte for byte in content)
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", self._now.range or "")
        if asked and switches.ranges:
            start, status = int(asked[1]), 206
            if start >= len(content):
                self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(status, len(content) - start, headers)
        if self.command == "GET":
            self._body(content, start, large)

    def _body(self, content: bytes, begin: int, large: bool) -> None:
        switches = self._hub.switches
        cut = None
        with self._hub.lock:
            if large and switches.cuts:
                switches.cuts -= 1
                cut = switches.cut_after
        at = begin
        while at < len(content):
            held = large and switches.stays_at is not None and at >= switches.stays_at
            # One that is held drips, or it would be taken for dead.
            portion = content[at : at + (1 if held else PORTION)]
            if cut is not None and at - begin + len(portion) > cut:
                self.wfile.write(portion[: cut - (at - begin)])
                self._now.sent += cut - (at - begin)
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
                return
            try:
                self.wfile.write(portion)
            except OSError:
                return
            at += len(portion)
            self._now.sent += len(portion)
            if held:
                time.sleep(DRIP_S)
            elif switches.rate:
                time.sleep(len(portion) / switches.rate)

    def _endless(self) -> None:
        self._now.status = 200
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(b'[""')
        while True:
            self.wfile.write(b',""' * 100_000)

    def _json(self, value: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._send(200, body, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(body), headers)
        if self.command == "GET":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self._now.status = status
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def main() -> None:
    with running() as hub:
        for pair in sys.argv[1:]:
            name, _, folder = pair.partition("=")
            hub.add(name, Path(folder))
        print(hub.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
