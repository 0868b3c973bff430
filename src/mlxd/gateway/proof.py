"""Smoke from the dashboard: one run at a time, by a process beside the gateway, and its reports."""

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import msgspec
from starlette.routing import BaseRoute, Route

from mlxd.settings import ServerSettings

from .asgi import Receive, Scope, Send, UntilDisconnect, send_json
from .dialects.openai.decode import decode
from .endpoint import Endpoint
from .errors import ApiError, bad
from .sse import EventStream, frames

COMMAND = (sys.executable, "-P", "-m", "mlxd", "smoke")
# All suites on a slow machine take minutes; a server that hangs must not keep a run for ever.
LIMIT_S = 3600
# How long a run may take to write its report once it is told to end.
END_S = 15.0
# The oldest go when there are more.
KEPT_REPORTS = 50
# Of a line: what a check says of one round.
LINE_BYTES = 1024 * 1024
# Of events of a run that somebody may still want from the start.
KEPT_EVENTS = 20_000
MOST_ROUNDS = 100

_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
_NAME = re.compile(r"[a-z_0-9-]{1,40}")
# What the scripts that smoke replaces were told by; none of it is meant for this run.
_NOT_INHERITED = ("MLX_", "OPENAI_", "TEMPERATURE", "TOP_P", "MAX_TOKENS")
_FORMATS = {
    "html": ("smoke.html", b"text/html; charset=utf-8"),
    "md": ("smoke.md", b"text/markdown; charset=utf-8"),
    "json": ("smoke.json", b"application/json"),
    "xml": ("smoke.xml", b"application/xml"),
}
# A report shows what models said: as a page of nobody's, without scripts.
_SANDBOX = b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class ProofRequest(msgspec.Struct, frozen=True):
    """`suites`: none means all, which makes a certificate too. `rounds`: of behaviour checks."""

    model: str = ""
    suites: list[str] = []
    rounds: int | Literal["auto"] | None = None
    lang: Literal["en", "zh"] = "en"


class Proving:
    """The run under way, if any. `events` are its lines, from the first."""

    def __init__(self, id: str, folder: Path, wanted: ProofRequest) -> None:
        self.id = id
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self.over = False
        self._wanted = wanted
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self.began = time.time()

    def shown(self) -> dict[str, Any]:
        wanted = msgspec.to_builtins(self._wanted)
        return {"id": self.id, "began": self.began, "over": self.over, **wanted}

    def begin(self, url: str, token: str | None) -> None:
        self._task = asyncio.create_task(self._run(url, token), name="proof")

    async def watch(self) -> AsyncIterator[list[dict[str, Any]]]:
        seen = 0
        while True:
            news = self._news
            if len(self.events) > seen:
                fresh, seen = self.events[seen:], len(self.events)
                yield fresh
            elif self.over:
                return
            else:
                await news.wait()

    async def end(self) -> None:
        """What was found so far becomes the report, which says that the run was cut off."""
        process, task = self._process, self._task
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        if task is not None:
            try:
                async with asyncio.timeout(END_S):
                    await asyncio.shield(task)
            except TimeoutError:
                if process is not None:
                    _kill(process.pid)
                await task

    async def _run(self, url: str, token: str | None) -> None:
        try:
            code, said = await self._follow(url, token)
            if not (self.folder / "smoke.json").exists():
                told = said.strip().splitlines()[-1:] or [f"it ended with status {code}"]
                self._take({"event": "failed", "message": told[0]})
        except OSError as error:
            self._take({"event": "failed", "message": f"mlxd smoke can't be started: {error}"})
        finally:
            self.over = True
            self._tell()

    async def _follow(self, url: str, token: str | None) -> tuple[int, str]:
        pipe = asyncio.subprocess.PIPE
        self._process = process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *_arguments(url, self.folder, self._wanted),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            limit=LINE_BYTES,
            env=_environment(token),
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(process.stderr.read())
        try:
            async for line in process.stdout:
                if line.startswith(b"{"):
                    self._take(json.loads(line))
            return await process.wait(), (await errors).decode(errors="replace")
        finally:
            if process.returncode is None:
                _kill(process.pid)
                await process.wait()
            errors.cancel()

    def _take(self, event: dict[str, Any]) -> None:
        if len(self.events) < KEPT_EVENTS:
            self.events.append(event)
            self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _arguments(url: str, folder: Path, wanted: ProofRequest) -> list[str]:
    made = ["--url", url, "--report", str(folder), "--progress", "json", "--lang", wanted.lang]
    made += ["--time-limit", str(LIMIT_S)]
    if wanted.model:
        made.append(f"--model-id={wanted.model}")
    for suite in wanted.suites:
        made.append(f"--suite={suite}")
    if wanted.rounds is not None:
        made += ["--rounds", str(wanted.rounds)]
    return made


def _environment(token: str | None) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
    return {**kept, "NO_COLOR": "1", **({"OPENAI_API_KEY": token} if token else {})}


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class Proofs:
    """Every run has a folder; the newest come first."""

    def __init__(self, folder: Path, url: str, token: str | None) -> None:
        self._folder = folder
        self._url = url
        self._token = token
        self.current: Proving | None = None

    def begin(self, wanted: ProofRequest) -> Proving:
        if self.current is not None and not self.current.over:
            told = "A run is under way; follow it, or end it first: DELETE /proof/run"
            raise ApiError(HTTPStatus.CONFLICT, told, code="proof_running")
        id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
        folder = self._folder / id
        folder.mkdir(parents=True)
        self.current = Proving(id, folder, wanted)
        self.current.begin(self._url, self._token)
        return self.current

    async def close(self) -> None:
        if self.current is not None and not self.current.over:
            await self.current.end()

    def reports(self) -> list[dict[str, Any]]:
        """In a thread: it reads files."""
        found = []
        for folder in self._folders():
            current = self.current
            if current is not None and current.id == folder.name and not current.over:
                continue
            if (made := _summary(folder)) is not None:
                found.append(made)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        for old in found[KEPT_REPORTS:]:
            shutil.rmtree(self._folder / str(old["id"]), ignore_errors=True)
        return found[:KEPT_REPORTS]

    def _folders(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted((f for f in self._folder.iterdir() if _ID.fullmatch(f.name)), reverse=True)

    def folder(self, id: str) -> Path:
        folder = self._folder / id
        if not _ID.fullmatch(id) or not (folder / "smoke.json").is_file():
            told = f"There is no report {id!r}; GET /proof lists them."
            raise ApiError(HTTPStatus.NOT_FOUND, told, param="id", code="report_not_found")
        return folder


class _Check(msgspec.Struct):
    verdict: str


class _Target(msgspec.Struct):
    model: str


class _Run(msgspec.Struct):
    target: _Target
    started: str
    seconds: float
    checks: list[_Check]
    cut_short: str = ""
    error: str = ""


class _Report(msgspec.Struct):
    runs: list[_Run]


def _summary(folder: Path) -> dict[str, Any] | None:
    try:
        made = msgspec.json.decode((folder / "smoke.json").read_bytes(), type=_Report)
        run = made.runs[0]
    except (OSError, msgspec.DecodeError, IndexError):
        return None
    verdicts = [one.verdict for one in run.checks]
    counts = {one: verdicts.count(one) for one in ("PASS", "FAIL", "ERROR", "SKIPPED")}
    ended_early = run.error or run.cut_short
    verdict = "FAIL" if counts["FAIL"] else "ERROR" if ended_early or counts["ERROR"] else "PASS"
    return {
        "id": folder.name,
        "model": run.target.model,
        "started": run.started,
        "seconds": run.seconds,
        "verdict": verdict,
        "counts": counts,
        "cut_short": ended_early,
    }


class _Proof(Endpoint):
    def __init__(self, proofs: Proofs, **limits: Any) -> None:
        self._keep_alive: float = limits.pop("keep_alive")
        super().__init__(**limits)
        self._proofs = proofs


class _All(_Proof):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        current = self._proofs.current
        reports = await asyncio.to_thread(self._proofs.reports)
        shown = current.shown() if current is not None else None
        await send_json(send, msgspec.json.encode({"run": shown, "reports": reports}))


class _Running(_Proof):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            wanted, unknown = decode(ProofRequest, await self.read_json(scope, receive))
            if unknown:
                raise bad(f"{unknown[0]} is no field here.", unknown[0])
            _check(wanted)
            made = self._proofs.begin(wanted)
            body = msgspec.json.encode(made.shown())
            await send_json(send, body, status=HTTPStatus.ACCEPTED)
            return
        current = self._proofs.current
        if current is None:
            told = "No run was begun since the service started. Begin one: POST /proof/run"
            raise ApiError(HTTPStatus.NOT_FOUND, told, code="no_proof")
        if scope["method"] == "DELETE":
            await current.end()
            await send_json(send, msgspec.json.encode(current.shown()))
        else:
            await self._stream(current, scope, receive, send)

    async def _stream(self, run: Proving, scope: Scope, receive: Receive, send: Send) -> None:
        """From the run's first event: whoever opens the page late sees all of it."""
        abort = scope.get("extensions", {}).get("mlxd.abort")
        stream = EventStream(send, [], self._keep_alive, lambda: "a check is under way", abort)
        async with UntilDisconnect(receive):
            try:
                async for events in run.watch():
                    await stream.write(frames(events))
                await stream.done()
            finally:
                stream.abandon()


def _check(wanted: ProofRequest) -> None:
    if wrong := [one for one in wanted.suites if not _NAME.fullmatch(one)]:
        raise bad(f"{wrong[0]!r} is no suite.", "suites")
    if isinstance(wanted.rounds, int) and not 1 <= wanted.rounds <= MOST_ROUNDS:
        raise bad(f"rounds: from 1 to {MOST_ROUNDS}, or auto.", "rounds")
    if len(wanted.model) > 1000 or any(ord(c) < 32 for c in wanted.model):
        raise bad("model: no such name.", "model")


class _Reports(_Proof):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        parameters = scope["path_params"]
        folder = self._proofs.folder(parameters["id"])
        if scope["method"] == "DELETE":
            await asyncio.to_thread(shutil.rmtree, folder, True)
            made = {"id": folder.name, "deleted": True}
            await send_json(send, msgspec.json.encode(made))
            return
        name, kind = _FORMATS[parameters["form"]] if "form" in parameters else _FORMATS["json"]
        body = await asyncio.to_thread((folder / name).read_bytes)
        headers = [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(body)),
            (b"content-security-policy", _SANDBOX),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def routes(proofs: Proofs, server: ServerSettings) -> list[BaseRoute]:
    limits: dict[str, Any] = {
        "body_limit": server.body_limit,
        "body_timeout": server.body_timeout,
        "keep_alive": server.keep_alive,
    }
    report = _Reports(proofs, **limits)
    return [
        Route("/proof", _All(proofs, **limits), methods=["GET"]),
        Route("/proof/run", _Running(proofs, **limits), methods=["GET", "POST", "DELETE"]),
        Route("/proof/reports/{id}", report, methods=["GET", "DELETE"]),
        *(
            Route(f"/proof/reports/{{id}}/{name}", _Form(report, form), methods=["GET"])
            for form, (name, _) in _FORMATS.items()
        ),
    ]


class _Form:
    """A report in one of its forms."""

    def __init__(self, report: _Reports, form: str) -> None:
        self._report = report
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_params"]["form"] = self._form
        await self._report(scope, receive, send)
