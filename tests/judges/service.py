"""`mlxd serve` as its users see it: a real gateway, real engines, spoken to over HTTP alone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
from tests.kept import share_compiled
from tests.processes import ORPHAN_S, PATIENCE_S, beneath, end, left

START_SECONDS = PATIENCE_S
STOP_SECONDS = PATIENCE_S
# How long the service may take to let go of what a request held.
RELEASE_SECONDS = PATIENCE_S
# An answer that is over before it is held is asked for again, so often.
HOLD_TRIES = 10
# No connection that the service is about to close for having been idle is used once more.
LIMITS = httpx2.Limits(keepalive_expiry=1.0)
LISTENING = re.compile(r"listening on (http://\S+)")

HELLO = [{"role": "user", "content": "hello"}]


class Service:
    """One running service. `environment` replaces the usual one; nothing of the user's own
    configuration, caches or models is seen by it."""

    def __init__(
        self,
        models: Sequence[Path],
        home: Path,
        environment: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        share_compiled(home)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLXD_", "HF_"))}
        kept = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
        named = [argument for model in models for argument in ("--model", str(model))]
        self.output: list[str] = []
        # What each model says to a greeting, which nothing in between may change.
        self._usual: dict[str, str] = {}
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mlxd",
                "serve",
                "--port",
                "0",
                "--data-dir",
                home / "data",
                *named,
            ],
            env={
                **inherited,
                **kept,
                **(environment or {}),
                **({"MLXD_SERVER_TOKEN": token} if token else {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.url = self._url()
        self.port = int(self.url.rpartition(":")[2])
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.http = httpx2.Client(
            base_url=self.url,
            headers=headers,
            timeout=PATIENCE_S,
            limits=LIMITS,
            trust_env=False,
        )
        self._wait_until_started()
        self.pids = self._pids()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._said:
                self.output.append(line)
                self._said.notify_all()
        with self._said:
            self.output.append("(end)\n")
            self._said.notify_all()

    def _url(self) -> str:
        with self._said:
            found = self._said.wait_for(
                lambda: LISTENING.search("".join(self.output)) or "(end)\n" in self.output,
                START_SECONDS,
            )
        assert isinstance(found, re.Match), "".join(self.output)
        return found[1]

    def _wait_until_started(self) -> None:
        states = {"ready", "failed"}
        self.eventually(lambda: {e["state"] for e in self.engines().values()} <= states)

    def _pids(self) -> dict[str, int]:
        return {name: engine["pid"] for name, engine in self.engines().items()}

    def engines(self) -> dict[str, dict[str, Any]]:
        return dict(self.http.get("/status").raise_for_status().json()["engines"])

    def eventually(self, true: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Ask until it is so."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"not within {seconds:g} s: {self.engines()}"
            time.sleep(0.01)

    # --- asking ------------------------------------------------------------------------------

    def post(self, body: Any, path: str = "/v1/chat/completions") -> httpx2.Response:
        """`body`: bytes as they are, anything else as JSON in which NaN and lone surrogates are
        written as Python would write them."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(path, content=content, headers={"content-type": "application/json"})

    def chat(self, model: str = "tiny", messages: Any = HELLO, **more: Any) -> httpx2.Response:
        return self.post({"model": model, "messages": messages, "max_tokens": 4, **more})

    def complete(self, prompt: Any = "hello", **more: Any) -> httpx2.Response:
        body = {"model": "tiny", "prompt": prompt, "max_tokens": 4, **more}
        return self.post(body, "/v1/completions")

    def raw(self, timeout: float = PATIENCE_S) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    # --- judging -----------------------------------------------------------------------------

    def unhurt(self, model: str = "tiny") -> None:
        """The same engine processes answer a normal request as ever, and hold nothing."""
        answer = self.chat(model, max_tokens=2, temperature=0)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        said = body["choices"][0]["message"]["content"]
        assert said == self._usual.setdefault(model, said), (self._usual, body)
        assert self._pids() == self.pids, f"an engine was replaced: {self.engines()}"
        self.released()

    def released(self) -> None:
        self.eventually(lambda: all(map(_idle, self.engines().values())), RELEASE_SECONDS)

    def held_in_mid_answer(self, name: str, ask: Callable[[], None], tokens: int) -> dict[str, Any]:
        """Has an answer of so many tokens begun, and its engine stopped (SIGSTOP) before the last
        of them, however busy this machine is: where it was too late, it is asked again. Gives the
        engine as it was before."""
        for _ in range(HOLD_TRIES):
            before = self.engines()[name]
            ask()
            self.eventually(
                lambda was=before: self.engines()[name]["tokens_out"] > was["tokens_out"]
            )  # type: ignore[misc]
            os.kill(before["pid"], signal.SIGSTOP)
            # What it has sent is read before what is asked later.
            self.engines()
            now = self.engines()[name]
            if now["running"] == 1 and now["tokens_out"] - before["tokens_out"] < tokens:
                return before
            os.kill(before["pid"], signal.SIGCONT)
            self.released()
        raise AssertionError(f"not held in mid-answer in {HOLD_TRIES} tries: {now}")

    def close(self) -> None:
        """An orderly end, after which no process is left."""
        self.http.close()
        children = beneath(self.process.pid)
        self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            behind = left(children, ORPHAN_S)
            end(behind)
        self._listener.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert not behind, f"left behind: {behind}"
        assert code == 0, "".join(self.output[-40:])


def _idle(engine: dict[str, Any]) -> bool:
    if engine["state"] != "ready":
        return False
    progress = engine["progress"]
    held = ("running", "waiting", "kv_bytes")
    return not (engine["running"] or engine["waiting"] or any(progress[name] for name in held))


def refused(response: httpx2.Response, param: str | None, status: int = 400) -> dict[str, Any]:
    """The answer is an error in the envelope that names the parameter."""
    assert response.status_code == status, f"{response.status_code}: {response.text[:500]}"
    error: dict[str, Any] = response.json()["error"]
    assert error["message"]
    assert error["type"]
    if param is not None:
        named = error["param"] or ""
        assert named == param or named.startswith((param + ".", param + "[")), error
    return error


def answered(response: httpx2.Response) -> dict[str, Any]:
    """The answer is a whole one, and true to itself: nothing is empty without a reason."""
    assert response.status_code == 200, f"{response.status_code}: {response.text[:500]}"
    body: dict[str, Any] = response.json()
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] >= len(body["choices"]) >= 1
    for choice in body["choices"]:
        assert choice["finish_reason"] in ("stop", "length", "tool_calls")
        message = choice.get("message") or {"content": choice.get("text")}
        said = message["content"] or message.get("tool_calls") or message.get("reasoning_content")
        if not message["content"] and not message.get("tool_calls"):
            assert choice.get("finish_details", {}).get("message") or said, choice
    return body
