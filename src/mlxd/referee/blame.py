"""Asks again in other ways what failed, until only one place is left for the fault.

The gateway: with an engine behind it that is right by construction, the same check fails too; or
straight at the engine it passes. The template: what was said does not
stand in the prompt that it makes. The engine: the field's own library, with the same weights and
template, says what was expected. The model: it does not either.
"""

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import jinja2.sandbox
import msgspec

from mlxd.catalog import ModelEntry, inspect
from mlxd.settings import Settings
from mlxd.smoke import Options, Plan, Run, Subject, judge
from mlxd.smoke.check import CHAT
from mlxd.smoke.faults import Fault
from mlxd.smoke.result import Accused, CheckResult, Round
from mlxd.smoke.server import Server
from mlxd.smoke.started import NotStarted

from .behind import behind
from .messages import plain, texts
from .scripted import COMMAND
from .straight import NoEngine, straight

# What the gateway answers without asking an engine.
GATEWAY_ONLY = ("health.model", "health.keep-alive", "steady.connections", "errors.broken-json",
                "errors.no-messages", "errors.wrong-type", "errors.wrong-limit",
                "errors.empty-messages", "errors.wrong-temperature", "errors.streamed",
                "errors.unknown-path", "errors.unknown-model")  # fmt: skip
LIBRARY_LIMIT_S = 300.0
# Of the library, which is slow on a CPU; what a check expects is shorter.
MOST_TOKENS = 96
_CODE = re.compile(r"[A-Z]{3}-\d{4}")


async def accuse(run: Run, folder: Path, settings: Settings) -> None:
    """Note in each failed check of a run against an mlxd here whose fault it is."""
    failed = [check for check in run.checks if check.verdict == "FAIL"]
    asked = [check for check in failed if not check.id.startswith(GATEWAY_ONLY)]
    for check in failed:
        if check not in asked:
            check.accused = Accused("gateway", "no engine has a part in this check")
    if not asked:
        return
    entry = inspect(folder, name=run.target.model)
    chosen = {k: v for k, v in run.options.items() if k in Options.__struct_fields__}
    options = msgspec.convert(chosen, Options)
    with tempfile.TemporaryDirectory() as kept:
        log = Path(kept) / "engine.log"
        try:
            good = await _gateway_alone(entry, settings, log, asked, options)
            async with straight(entry, settings, log) as url:
                for check in asked:
                    if good.get(check.id) is False:
                        told = "with an engine that is right by construction, the check fails too"
                        check.accused = Accused("gateway", told)
                        continue
                    again = await _again(url, entry, check, options)
                    if again.verdict == "PASS" and await says_the_same(url, check):
                        # It passes by chance: values are fresh, and this request fails here too.
                        again = check
                    check.accused = await _judge(check, again, entry, good.get(check.id, False))
        except (NoEngine, TimeoutError) as error:
            told = f"an engine of its own did not come up: {error or 'too late'}"
            for check in asked:
                check.accused = check.accused or Accused("engine", told)


async def _gateway_alone(
    entry: ModelEntry,
    settings: Settings,
    log: Path,
    asked: list[CheckResult],
    options: Options,
) -> dict[str, bool]:
    """Whether the gateway passes where only it can be at fault: before an engine that passes the
    same check straight. What that one can't do, such as to read print, says nothing of it."""
    try:
        async with straight(entry, settings, log, COMMAND) as url:
            done = {check.id: await _again(url, entry, check, options) for check in asked}
        known = [check for check in asked if done[check.id].verdict == "PASS"]
        if not known:
            return {}
        async with behind(entry.path) as url:
            found = [await _again(url, entry, check, options, settings) for check in known]
    except (NotStarted, NoEngine, TimeoutError):
        return {}
    return {one.id: one.verdict == "PASS" for one in found if one.verdict in ("PASS", "FAIL")}


async def _again(
    url: str,
    entry: ModelEntry,
    check: CheckResult,
    options: Options,
    settings: Settings | None = None,
) -> CheckResult:
    plan = Plan(suites=(check.suite,), only=(check.id,), options=options)
    key = settings.server.token if settings else None
    report = await judge([Subject(url=url, model_id=entry.id, api_key=key)], plan)
    return report.runs[0].checks[0]


async def says_the_same(url: str, check: CheckResult) -> bool:
    """Whether the very request that failed in the run has that answer straight at the engine too.
    Not where chance was asked for, nor where the words were right and the form was not."""
    bad = _failed(check)
    asked = _request(bad)
    if check.kind == "contract" or bad is None or bad.category != "wrong_answer":
        return False
    if asked is None or "messages" not in asked or asked.get("temperature"):
        return False
    body = {key: value for key, value in asked.items() if key not in ("stream", "stream_options")}
    server = Server(url, local=True)
    try:
        reply = await server.send("POST", CHAT, body)
        said = json.loads(reply.body)["choices"][0]["message"]["content"]
    except (Fault, ValueError, KeyError, IndexError, TypeError):
        return False
    finally:
        await server.aclose()
    return bool(said) and said.strip() == bad.got.strip()


def _failed(check: CheckResult) -> Round | None:
    return next((one for one in check.rounds if one.verdict == "FAIL"), None)


async def _judge(
    check: CheckResult, again: CheckResult, entry: ModelEntry, gateway_passes: bool
) -> Accused:
    if again.verdict in ("SKIPPED", "PASS") and gateway_passes:
        if again.verdict == "SKIPPED":
            told = "with an engine that is right by construction, the gateway passes"
            return Accused("engine", told)
        told = "each passes without the other; was it by chance, or under load?"
        return Accused("gateway or engine", told)
    if again.verdict == "SKIPPED":
        told = f"straight at the engine, the same check can't be asked: {again.reason}"
        return Accused("gateway or engine", told)
    if again.verdict == "PASS":
        return Accused("gateway", "straight at the engine, the same check passes")
    bad = _failed(again)
    asked = _request(bad)
    if bad is not None and bad.category == "server_down":
        return Accused("engine", f"straight at the engine, it gives no answer: {bad.message}")
    if bad is None or asked is None:
        return Accused("engine", "straight at the engine, the same check can't be judged either")
    if "messages" not in asked:
        return Accused("engine", "straight at the engine, the same check fails, whatever is said")
    if lost := missing_from_prompt(entry.path, asked):
        return Accused("template", lost)
    if check.kind == "contract":
        return Accused("engine", "straight at the engine, the same check fails, whatever is said")
    said = await _library(entry.path, asked)
    if said is None:
        return Accused("model", "the library can't answer with these weights either")
    wanted = _CODE.findall(bad.expected) or [bad.expected]
    if wanted and all(one in said for one in wanted[:1]):
        told = "the library alone, with the same weights and template, says what was expected"
        return Accused("engine", told)
    told = "the library alone, with the same weights and template, is wrong too, and says"
    return Accused("model", f"{told}: {said[:120]}")


def _request(bad: Round | None) -> dict[str, Any] | None:
    """The request whose answer was wrong."""
    if bad is None or not bad.exchanges or not isinstance(bad.exchanges[-1].request, dict):
        return None
    return bad.exchanges[-1].request


def missing_from_prompt(folder: Path, asked: dict[str, Any]) -> str:
    """What was said and does not stand in the prompt; empty when all of it does."""
    file = folder / "chat_template.jinja"
    if not file.exists():
        return ""
    with_end, without = (_render(file, asked, end) for end in (True, False))
    if isinstance(with_end, Exception):
        return f"the template can't render the request: {with_end}"
    for number, one in enumerate(asked["messages"]):
        # A template may set white space its own way.
        for text in texts(one):
            if "".join(text.split()) not in "".join(with_end.split()):
                told = f"the text of message {number} ({one['role']}) is not in the prompt"
                return f"{told} that the template makes: {text[:80]}"
    for one in asked.get("tools") or ():
        if asked.get("tool_choice") != "none" and one["function"]["name"] not in with_end:
            return f"the tool {one['function']['name']} is not in the prompt"
    return "the template does not open the answer" if with_end == without else ""


def _render(file: Path, asked: dict[str, Any], end: bool) -> str | Exception:
    def refuse(message: str) -> None:
        raise ValueError(message)

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals |= {"raise_exception": refuse, "strftime_now": lambda _: "today"}
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
    try:
        template = environment.from_string(file.read_text(encoding="utf-8"))
        return template.render(
            messages=plain(asked["messages"]),
            tools=asked.get("tools"),
            add_generation_prompt=end,
            bos_token="",
            eos_token="",
        )
    except (jinja2.TemplateError, ValueError, TypeError) as error:
        return error


async def _library(folder: Path, asked: dict[str, Any]) -> str | None:
    wanted = {
        "folder": str(folder),
        "messages": asked["messages"],
        "tools": asked.get("tools"),
        "max_tokens": min(asked.get("max_tokens") or MOST_TOKENS, MOST_TOKENS),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "mlxd.referee.library",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIBRARY_LIMIT_S):
            out, _ = await process.communicate(json.dumps(wanted).encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    try:
        return str(json.loads(out.splitlines()[-1])["text"])
    except (ValueError, IndexError, KeyError):
        return None
