"""Nothing of a Chinese report is English, except what servers and models said themselves."""

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import mlxd.smoke
from mlxd.smoke import Report
from mlxd.smoke.reports import RENDER, Live, summary
from mlxd.smoke.reports.chinese import SENTENCES, in_chinese

from .pool import Pool

# Whose messages have as many shapes as there are ways to say something wrong.
SOME = (
    "html-error", "usage-is-text", "unicode-broken", "calls-are-a-number", "thinks-for-ever",
    "arguments-broken", "ignores-stop", "schema-extra-key", "embeddings-constant", "latin-1",
    "busy-without-a-time", "connection-dropped", "cut-at-a-hundred", "stream-held-back",
    "none-beside-a-call", "stream-finish-null", "bad-input-500",
    "cached-over-prompt", "answers-swapped", "gone-after-sixty",
)  # fmt: skip
# What these servers, and Python's readers of JSON, say in English themselves.
RAW = ("too many requests", "out of memory", "there is no model", "codec can", "Expecting property")
ROOM = Path(mlxd.smoke.__file__).parent
# Where a text stands in a call that it is for the report.
_SAYS = {"Fault": 1, "FaultyExchange": 1, "Skip": 0, "_Over": 0, "stop": 0, "_complain": 0}
_SENTENCE = re.compile(r"(?:\b[A-Za-z]{2,}\b[ ,']+){2}[a-z]{2,}")


def _shape(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
        return "".join(parts)
    return None


def _said() -> Iterator[tuple[str, str]]:
    """Every sentence that a fault or a skip is made with."""
    for file in sorted(ROOM.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                place = _SAYS.get(name)
                if place is not None and len(node.args) > place:
                    shape = _shape(node.args[place])
                    if shape and len(re.findall(r"[a-z]{2,}", shape)) > 1:
                        yield f"{file.name}:{node.lineno}", shape
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in (
                "told",
                "text",
            ):
                shape = _shape(node.value)
                if shape and len(re.findall(r"[a-z]{2,}", shape)) > 2:
                    yield f"{file.name}:{node.lineno}", shape


def test_every_sentence_of_a_check_is_there_in_chinese() -> None:
    lacking = []
    for where, shape in _said():
        filled = shape.replace("{}", "7")
        # What ends with a full stop is said to a model.
        if in_chinese(filled) == filled and not shape.endswith("."):
            lacking.append(f"{where}: {shape}")
    assert lacking == []


def test_no_sentence_has_more_holes_than_it_is_given() -> None:
    for english, chinese in SENTENCES.items():
        holes = english.count("{}")
        assert chinese.format(*"abcdefg"[:holes]), english


def test_holes_are_sentences_too_and_what_is_none_stays() -> None:
    told = "no answer within 5 s: nothing came back at all"
    assert in_chinese(told) == "5 秒内没有回答：没有任何返回"
    assert in_chinese("id is missing; model is missing") == "缺少 id；缺少 model"
    assert in_chinese("CUDA out of memory; try later") == "CUDA out of memory; try later"


def _own_words(text: str) -> str:
    """Without what is quoted: requests, responses, commands, names, and what was got."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"<pre>.*?</pre>|<style>.*?</style>|<[^>]*>", "\n", text, flags=re.DOTALL)
    return re.sub(r"'[^'\n]*'|\"[^\"\n]*\"|\{[^\n]*?\}|curl [^\n]*", " ", text)


def _english(text: str) -> list[str]:
    lines = _own_words(text).splitlines()
    return [one for one in lines if _SENTENCE.search(one) and not any(raw in one for raw in RAW)]


@pytest.mark.parametrize("name", SOME)
def test_a_chinese_report_has_no_english_sentence(name: str, pool: Pool) -> None:
    run = pool.of(name)
    report = Report(runs=[run])
    for check in run.checks:
        for one in check.rounds:
            # What it was asked for and what it said is raw; here only the report's own words count.
            one.expected = ""
            one.got = one.got if in_chinese(one.got) != one.got else ""
    for kind in ("md", "html", "junit"):
        assert _english(RENDER[kind][1](report, "zh")) == [], kind
    out = io.StringIO()
    console = Console(file=out, width=200)
    live = Live(console, "zh")
    live.starting("")
    live.run_began(run.target, run.checks)
    for check in run.checks:
        live.check_ended(check)
    summary(console, report, "zh")
    assert _english(out.getvalue()) == []
