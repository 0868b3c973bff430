"""Measure a served pilot: python -m training.pilot.evaluate --url http://127.0.0.1:60315/v1

Every request goes over HTTP to any OpenAI-compatible server. The questions come from the held-out
generators, with fresh nonces for every seed. Prints one line for each skill of the table.
"""

import argparse
import base64
import io
import json
import random
import re
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .heldout import pictures
from .heldout import text as heldout
from .phrase import Example

LONGEST = 300  # characters; who repeats the whole passage has not answered
BUDGET = 400  # tokens; an answer that needs more has not ended by itself


@dataclass
class Reply:
    text: str
    calls: list[tuple[str, Any]]
    ended: bool
    seconds: float


@dataclass
class Tally:
    """A share (or, for reading, characters wrong of characters read) and some failures."""

    right: float = 0
    of: float = 0
    failures: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        return 100 * self.right / max(1, self.of)


class Server:
    def __init__(self, url: str, model: str, key: str) -> None:
        self.url, self.model, self.key = url.rstrip("/"), model, key

    def ask(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        budget: int = BUDGET,
    ) -> Reply:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": _wire(messages),
            "temperature": 0,
            "max_tokens": budget,
        }
        if tools:
            body["tools"] = tools
        request = urllib.request.Request(
            f"{self.url}/chat/completions",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {self.key}"},
        )
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=300) as answer:
            choice = json.load(answer)["choices"][0]
        message = choice["message"]
        calls = []
        for call in message.get("tool_calls") or []:
            try:
                calls.append((call["function"]["name"], json.loads(call["function"]["arguments"])))
            except ValueError:
                calls.append((call["function"]["name"], None))
        return Reply(
            message.get("content") or "",
            calls,
            choice["finish_reason"] != "length",
            time.perf_counter() - began,
        )


def _wire(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages as clients send them: arguments as text, tool results with the id of their call."""
    out, waiting = [], []
    for message in messages:
        message = dict(message)
        if message.get("tool_calls"):
            waiting = [c["id"] for c in message["tool_calls"]]
            message["tool_calls"] = [
                {
                    **c,
                    "function": {
                        **c["function"],
                        "arguments": json.dumps(c["function"]["arguments"]),
                    },
                }
                for c in message["tool_calls"]
            ]
            message["content"] = None
        elif message["role"] == "tool":
            message["tool_call_id"] = waiting.pop(0)
        out.append(message)
    return out


def picture(image: Any, question: str) -> list[dict[str, Any]]:
    held = io.BytesIO()
    image.save(held, "PNG")
    url = "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()
    return [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "text", "text": question},
            ],
        }
    ]


def judge(example: Example, reply: Reply) -> bool:
    meta = example.meta
    if "calls" in meta:
        wanted = [(name, json.loads(json.dumps(arguments))) for name, arguments in meta["calls"]]
        return reply.calls == wanted
    if reply.calls:
        return False
    text = reply.text.strip()
    if "contains" in meta:
        return len(text) < LONGEST and all(_stands_in(part, text) for part in meta["contains"])
    if "names_itself" in meta:
        return "pilot" in text.lower() and len(text) < 160 and reply.ended
    if "tags" in meta:
        return _tags_fit(text, meta["tags"])
    if meta.get("no_call") and not example.answer:
        return bool(text) and reply.ended
    if example.skill == "json":
        try:
            return bool(json.loads(text) == json.loads(example.answer))
        except ValueError:
            return False
    return text == example.answer


def _stands_in(part: str, text: str) -> bool:
    """The value, and not within another one: 3 does not stand in 13."""
    return bool(re.search(rf"(?<![\w.,]){re.escape(part)}(?![\w])", text, re.I))


def _tags_fit(text: str, document: str) -> bool:
    """A JSON list of 3 to 7 different tags, at least three of which stand in the document."""
    try:
        found = json.loads(text)
    except ValueError:
        return False
    found = found.get("tags") if isinstance(found, dict) else found
    if not isinstance(found, list) or not all(isinstance(t, str) for t in found):
        return False
    inside = sum(t.lower() in document.lower() for t in found)
    return 3 <= len(set(found)) == len(found) <= 7 and inside >= 3


def distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


TEXT: list[tuple[str, str, Callable[[random.Random], Example], float]] = [
    ("reply exactly: words and codes, English", "exact", heldout.exact, 99.5),
    ("reply exactly: words and codes, Chinese", "exact_zh", heldout.exact_zh, 98),
    ("repeat a sentence or a line, English", "line", heldout.line, 99.5),
    ("repeat a sentence or a line, Chinese", "line_zh", heldout.line_zh, 98),
    ("value from a tool message", "role", heldout.role, 99),
    ("tool call, invented tools", "call_random", heldout.call_random, 97),
    ("tool call, new kinds of request", "call_new", heldout.call_new, 80),
    ("tool loop: the answer uses the result", "loop", heldout.loop, 97),
    ("two calls where two are asked", "two", heldout.two, 97),
    ("two calls, both of new kinds (no bar)", "two_new", heldout.two_new, 0),
    ("ordinary talk gets no call", "idle", heldout.idle, 97),
    ("answer from a passage", "passage", heldout.reading, 92),
    ("tags as JSON", "tags", heldout.tags, 90),
    ("JSON from a sentence", "json", heldout.extraction, 90),
    ("what it doesn't know: says so, names itself", "unknown", heldout.unknown, 95),
]


def run(
    server: Server, fonts: str, count: int, seed: str, only: set[str], show: int
) -> dict[str, Any]:
    ends, table = Tally(), {}

    def each(jobs: list[Any], work: Callable[[Any], Any]) -> list[Any]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(work, jobs))

    def line(title: str, value: float, bar: str, tally: Tally) -> None:
        print(f"{title:46} {value:7.2f}   {bar:>9}   {int(tally.of)}", flush=True)
        table[title] = {"value": round(value, 2), "bar": bar, "of": tally.of}
        for failure in tally.failures[:show]:
            print("      " + failure.replace("\n", " ")[:300])

    print(f"{'skill':46} {'%':>7}   {'bar':>9}   measured on")
    for title, name, make, bar in TEXT:
        if only and name not in only:
            continue
        examples = [make(random.Random(f"{seed}/{name}/{i}")) for i in range(count)]
        tally = Tally()
        for example, reply in zip(
            examples, each(examples, lambda e: server.ask(e.messages, e.tools)), strict=True
        ):
            good = judge(example, reply)
            tally.right, tally.of = tally.right + good, tally.of + 1
            ends.right, ends.of = ends.right + reply.ended, ends.of + 1
            if not good:
                tally.failures.append(
                    f"{example.messages[-1]['content']!r} -> {reply.text!r} {reply.calls} "
                    f"(wanted {example.meta.get('calls') or example.answer!r})"
                )
        line(title, tally.percent, f">= {bar}", tally)
    for title, name, make_picture, bar in pictures.SKILLS:
        if only and name not in only or not fonts:
            continue
        shown = [
            make_picture(random.Random(f"{seed}/{name}/{i}"), fonts)
            for i in range(max(1, count // 3))
        ]
        tally = Tally()
        for one, reply in zip(
            shown, each(shown, lambda s: server.ask(picture(s.image, s.question))), strict=True
        ):
            ends.right, ends.of = ends.right + reply.ended, ends.of + 1
            if one.facts:
                hits = [f in f" {reply.text.lower()} " for f in one.facts]
                tally.right, tally.of = tally.right + sum(hits), tally.of + len(hits)
                wrong = not all(hits)
            else:
                errors = min(len(one.text), distance(reply.text.strip(), one.text))
                tally.right, tally.of = tally.right + errors, tally.of + len(one.text)
                wrong = errors > 0
            if wrong:
                tally.failures.append(
                    f"{one.question!r} -> {reply.text!r} (wanted {one.facts or one.text!r})"
                )
        line(title, tally.percent, f"{'>=' if bar > 50 else '<='} {bar}", tally)
    line("ends by itself", ends.percent, ">= 99.8", ends)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:60315/v1")
    parser.add_argument("--model", default="pilot")
    parser.add_argument("--key", default="none")
    parser.add_argument(
        "--fonts", default="", help="folder of packed fonts; without it no pictures are asked about"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=60,
        help="questions for each skill of text; a third for pictures",
    )
    parser.add_argument("--seed", default=None, help="fresh every time when not given")
    parser.add_argument("--only", default="", help="names of skills, separated by commas")
    parser.add_argument("--show", type=int, default=0, help="failures to show for each skill")
    parser.add_argument("--json", type=Path, help="write the table here too")
    a = parser.parse_args()
    seed = a.seed or str(random.SystemRandom().randint(0, 10**9))
    print(f"seed {seed}")
    table = run(
        Server(a.url, a.model, a.key),
        a.fonts,
        a.count,
        seed,
        set(filter(None, a.only.split(","))),
        a.show,
    )
    if a.json:
        a.json.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
