"""Turns through a real service, held by the npm client."""

import base64
import json
import os
import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from PIL import Image
from tests.judges.service import Service
from tests.processes import beneath

from mlxd.smoke.nonce import Nonces

from .npm import Client, plain, said
from .upstream import Upstream

pytestmark = pytest.mark.timeout(600)
# The same ones each time: what a small model can copy is not the question here.
NONCES = Nonces(random.Random(12))
Begin = Callable[[], Client]


def kept(service: Service, id: str) -> list[dict[str, Any]]:
    found = service.http.get(f"/sessions/{id}").raise_for_status().json()
    messages: list[dict[str, Any]] = found["messages"]
    return messages


def same(service: Service, client: Client, held: dict[str, Any]) -> None:
    assert plain(held["messages"]) == plain(kept(service, client.id))


def model(name: str, **more: Any) -> dict[str, Any]:
    return {"body": {"model": name, **more}}


def ask(text: str, id: str = "raw", **more: Any) -> dict[str, Any]:
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": id, "trigger": "submit-message", "messages": [message], **more}


def stream(service: Service, body: Any) -> list[dict[str, Any]]:
    """A turn's parts; that it ends, and ends rightly, is checked."""
    response = service.post(body, "/chat/agent-stream")
    assert response.status_code == 200, response.text
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    lines = [line[6:] for line in response.text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def errors(parts: list[dict[str, Any]]) -> list[str]:
    return [part["errorText"] for part in parts if part["type"] == "error"]


def test_a_conversation_is_kept_as_the_client_holds_it(service: Service, client: Begin) -> None:
    talk = client()
    first, second = NONCES.code(), NONCES.code()
    held = talk.say(f"Reply with exactly: {first}")
    assert held["status"] == "ready"
    assert said(held["messages"][1]) == first
    held = talk.say(f"Reply with exactly: {second}")
    assert said(held["messages"][3]) == second
    same(service, talk, held)
    talk.begin(regenerate=True)
    again = talk.held()
    assert again["messages"][3]["id"] != held["messages"][3]["id"]
    assert said(again["messages"][3]) == second
    same(service, talk, again)


def test_reasoning_is_its_own_part(service: Service, client: Begin) -> None:
    talk = client()
    held = talk.say("Why?", **model("far-reasons"))
    parts = [(p["type"], p.get("text")) for p in held["messages"][1]["parts"]]
    assert parts == [("step-start", None), ("reasoning", "Let me think."), ("text", "So it is.")]
    same(service, talk, held)


def test_an_answer_cites_what_was_found(service: Service, client: Begin) -> None:
    text = b"The harbour of Velm was opened in 1874. Its lighthouse is blue."
    service.http.post("/documents", files={"file": ("velm.txt", text, "text/plain")})
    service.eventually(
        lambda: all(job["state"] == "done" for job in service.http.get("/jobs").json()["jobs"])
    )
    talk = client()
    held = talk.say("What colour is it?", **model("far-searches"))
    answer = held["messages"][1]
    (tool,) = [part for part in answer["parts"] if part["type"].startswith("tool-")]
    assert tool["state"] == "output-available"
    assert tool["input"] == {"query": "lighthouse of Velm"}
    (citation,) = [part for part in answer["parts"] if part["type"] == "data-citation"]
    assert citation["data"]["title"] == "velm.txt"
    assert citation["data"]["n"] == 1
    assert "lighthouse" in citation["data"]["snippet"]
    assert said(answer).endswith("[1].")
    same(service, talk, held)


def test_a_tool_that_fails_does_not_end_the_answer(service: Service, client: Begin) -> None:
    talk = client()
    held = talk.say("Read it", **model("far-reads"))
    (tool,) = [part for part in held["messages"][1]["parts"] if part["type"].startswith("tool-")]
    assert tool["state"] == "output-error"
    assert "nothing-like-it" in tool["errorText"]
    assert said(held["messages"][1]) == "It can't be read."
    same(service, talk, held)


def test_a_tool_that_is_called_wrongly_is_told_so(service: Service, client: Begin) -> None:
    talk = client()
    held = talk.say("Search", **model("far-wrong-call"))
    assert held["status"] == "ready", held
    assert said(held["messages"][1]) == "I give up."
    same(service, talk, held)


def starts(noted: Path) -> int:
    return len(noted.read_text().splitlines())


def once_there(service: Service, client: Begin, noted: Path) -> int:
    """How often the server was started until it was there in time: slow ones are left out."""

    def answers() -> bool:
        held = client().say("Twice 21?", **model("far-foreign"))
        return "42" in said(held["messages"][1])

    service.eventually(answers)
    return starts(noted)


def test_tools_of_another_server_are_used_and_a_broken_one_left_out(
    service: Service, client: Begin, foreign_tools: Path
) -> None:
    begun = once_there(service, client, foreign_tools)
    talk = client()
    held = talk.say("Twice 21?", **model("far-foreign"))
    assert "42" in said(held["messages"][1])
    same(service, talk, held)
    held = talk.say("And again?", **model("far-foreign"))
    assert "42" in said(held["messages"][-1])
    assert starts(foreign_tools) == begun
    pid = int(foreign_tools.read_text().splitlines()[-1])
    assert psutil.pid_exists(pid)
    foreign_tools.unlink()
    os.kill(pid, signal.SIGKILL)
    # Its end may be seen only when it is asked; the turn after that has another one.
    answers = [said(client().say("And now?", **model("far-foreign"))["messages"][1])]
    answers += [said(client().say("Now?", **model("far-foreign"))["messages"][1])]
    assert "42" in answers[-1], answers
    assert starts(foreign_tools) == 1


def test_a_server_of_tools_that_dies_under_a_call_leaves_no_client_waiting(
    service: Service, client: Begin, foreign_tools: Path
) -> None:
    begun = once_there(service, client, foreign_tools)
    talk = client()
    held = talk.say("Kill it", **model("far-kills"))
    (tool,) = [part for part in held["messages"][1]["parts"] if part["type"].startswith("tool-")]
    assert tool["state"] == "output-error"
    assert held["status"] in ("ready", "error")
    same(service, talk, held)
    held = talk.say("Twice 21?", **model("far-foreign"))
    assert "42" in said(held["messages"][-1])
    assert starts(foreign_tools) == begun + 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("far-fails", "on fire"),
        ("far-breaks", ""),
        ("far-too-long", "do not fit"),
        ("nobody-has-this", "nobody-has-this"),
        ("reranker", "No model is assigned to reranker"),
    ],
)
def test_what_can_not_be_answered_is_one_error_and_an_end(
    service: Service, client: Begin, name: str, told: str
) -> None:
    parts = stream(service, ask("Hello", f"raw-{name}", model=name))
    assert [told in text for text in errors(parts)] == [True]
    talk = client()
    held = talk.say("Hello", **model(name))
    assert held["status"] == "error"
    assert told in held["error"]
    assert held["messages"][1]["metadata"]["mlxd"]["error"] == held["error"]
    same(service, talk, held)
    held = talk.say("And now?", **model("far-says"))
    assert said(held["messages"][-1]) == "Hello from far."
    same(service, talk, held)


def test_a_question_longer_than_the_context_is_one_error_and_an_end(service: Service) -> None:
    parts = stream(service, ask("word " * 20_000, "too-long-here", model="pilot"))
    [told] = errors(parts)
    assert "8192" in told.replace(",", "")
    [_, answer] = kept(service, "too-long-here")
    assert answer["parts"] == []
    assert answer["metadata"]["mlxd"]["error"] == told


def test_stop_ends_the_turn_and_keeps_what_was_said(service: Service, client: Begin) -> None:
    talk = client()
    held = talk.say("On and on", stopAfter=200, **model("endless"))
    service.released()
    assert held["status"] == "ready"
    service.eventually(lambda: len(kept(service, talk.id)) == 2)
    held = talk.say("Enough", **model("far-says"))
    assert len(held["messages"]) == 4
    same(service, talk, held)


def test_who_stops_while_a_tool_is_called_can_talk_on(service: Service) -> None:
    tool = {"type": "tool-search_documents", "toolCallId": "c", "state": "input-streaming"}
    body = ask("And now?", "cut-call", model="far-says")
    answer = {"id": "a1", "role": "assistant", "parts": [{"type": "step-start"}, tool]}
    body["messages"] = [ask("Search")["messages"][0], answer, {**body["messages"][0], "id": "m2"}]
    assert _text(stream(service, body)) == "Hello from far."
    [_, cut, *_] = kept(service, "cut-call")
    assert cut["parts"][-1]["state"] == "output-error"


# Of 40,960 that the context holds. A step of this model takes a millisecond, and the thread that
# reads the news has to get its turn on a busy machine.
STEPS_AFTER_STOP = 200


def test_stop_frees_the_engine_within_steps(service: Service) -> None:
    """By the engine's own count. It is held still while the news of the stop comes to its door, so
    that how busy the machine is between does not matter; then it runs on."""
    service.released()
    body = ask("Go on", "stopped", model="endless", settings={"temperature": 1.0})
    before = service.engines()["endless"]
    with service.http.stream("POST", "/chat/agent-stream", json=body) as response:
        told = (line for line in response.iter_lines() if "text-delta" in line)
        next(told)
        os.kill(before["pid"], signal.SIGSTOP)
    try:
        service.eventually(lambda: service.engines()["endless"]["running"] == 0)
        held = service.engines()["endless"]["tokens_out"] - before["tokens_out"]
    finally:
        os.kill(before["pid"], signal.SIGCONT)
    service.released()
    after = service.engines()["endless"]
    assert after["pid"] == before["pid"]
    prompt = after["progress"]["steps"] - before["progress"]["steps"] - held
    assert 0 < prompt < STEPS_AFTER_STOP


def test_stop_closes_the_connection_to_a_server_elsewhere(
    service: Service, client: Begin, upstream: Upstream
) -> None:
    talk = client()
    talk.say("On and on", stopAfter=100, **model("far-endless"))
    service.eventually(lambda: upstream.streaming == 0)


def test_an_answer_outlives_its_engine(service: Service, client: Begin) -> None:
    settings = {"max_tokens": 600, "seed": 5, "temperature": 1.0}
    whole = client().say("Go on", **model("endless", settings=settings))
    asked: list[Client] = []

    def ask() -> None:
        asked.append(client())
        asked[-1].begin(text="Go on", **model("endless", settings=settings))

    before = service.held_in_mid_answer("endless", ask, settings["max_tokens"])
    talk = asked[-1]
    assert not talk.over()
    os.kill(before["pid"], signal.SIGKILL)
    held = talk.held()
    service.eventually(lambda: service.engines()["endless"]["restarts"] == before["restarts"] + 1)
    assert held["status"] == "ready"
    assert said(held["messages"][1]) == said(whole["messages"][1])
    same(service, talk, held)


def test_an_engine_that_dies_again_and_again_is_one_error_and_an_end(
    service: Service, client: Begin
) -> None:
    talk = client()
    talk.begin(text="Go on", **model("endless"))
    dead: set[int] = set()
    for _ in range(3):
        service.eventually(lambda: _answers(service, dead) or talk.over())
        if talk.over():
            break
        pid = service.engines()["endless"]["pid"]
        dead.add(pid)
        os.kill(pid, signal.SIGKILL)
    held = talk.held()
    assert held["status"] == "error"
    assert "engines died" in held["error"]
    same(service, talk, held)
    service.http.post("/engines/endless/start").raise_for_status()
    service.eventually(lambda: service.engines()["endless"]["state"] == "ready")


def _answers(service: Service, dead: set[int]) -> bool:
    engine = service.engines()["endless"]
    alive = engine["state"] == "ready" and engine["pid"] not in dead
    return alive and engine["progress"]["phase"] == "decoding"


def test_the_newest_of_a_long_history_is_what_the_model_gets(
    service: Service, upstream: Upstream
) -> None:
    messages = []
    for n in range(200):
        for role, text in (("user", f"question {n} " + "x" * 300), ("assistant", f"answer {n}")):
            parts = [{"type": "text", "text": text}]
            messages.append({"id": f"{role}-{n}", "role": role, "parts": parts})
    messages.append({"id": "last", "role": "user", "parts": [{"type": "text", "text": "Now?"}]})
    body = {"id": "long", "trigger": "submit-message", "messages": messages, "model": "far-says"}
    assert errors(stream(service, body)) == []
    asked = [one for one in upstream.asked[-1]["messages"] if one["role"] != "system"]
    assert asked[-1]["content"] == "Now?"
    assert asked[0]["role"] == "user"
    assert len(asked) < 200
    assert asked[-2]["content"] == "answer 199"
    assert len(kept(service, "long")) == 402
    # The same against a real context, with a real tokenizer.
    assert (
        errors(
            stream(
                service,
                {**body, "id": "long-here", "model": "pilot", "settings": {"max_tokens": 8}},
            )
        )
        == []
    )


def test_pictures_go_to_vision_and_words_to_text(service: Service, upstream: Upstream) -> None:
    was = service.http.get("/models/capabilities").json()["capabilities"]["text"]["model_id"]
    set_to = "/models/global_capability/text"
    service.http.post(set_to, json={"model_id": "far-says"}).raise_for_status()
    try:
        assert _text(stream(service, ask("Hello", "routed"))) == "Hello from far."
        body = ask("What is it?", "routed-picture")
        body["messages"][0]["parts"].append(picture())
        assert _text(stream(service, body)) != "Hello from far."
    finally:
        service.http.post(set_to, json={"model_id": was}).raise_for_status()


def _text(parts: list[dict[str, Any]]) -> str:
    assert errors(parts) == []
    return "".join(part["delta"] for part in parts if part["type"] == "text-delta")


def picture() -> dict[str, str]:
    file = BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    url = f"data:image/png;base64,{data}"
    return {"type": "file", "mediaType": "image/png", "url": url}


def _desk(service: Service) -> psutil.Process:
    return next(iter(beneath(service.process.pid, "mlxd.desk")))


def _another(service: Service, pid: int) -> bool:
    desk = service.http.get("/status").json()["desk"]
    return bool(desk["state"] == "ready" and desk["pid"] != pid)


def test_a_desk_that_dies_in_mid_answer_leaves_no_client_waiting(
    service: Service, client: Begin, upstream: Upstream
) -> None:
    talk = client()
    talk.begin(text="Go on", **model("far-endless"))
    service.eventually(lambda: upstream.streaming == 1)
    first = _desk(service)
    first.kill()
    held = talk.held()
    assert held["status"] == "error"
    service.eventually(lambda: upstream.streaming == 0)
    service.eventually(lambda: _another(service, first.pid))
    held = talk.say("And now?", **model("far-says"))
    assert said(held["messages"][-1]) == "Hello from far."
    same(service, talk, held)


HOSTILE: list[tuple[Any, str]] = [
    (b"", ""),
    (b"[]", ""),
    (b"{", ""),
    (b"\xff\xfe", ""),
    ({}, ""),
    (ask("x") | {"messages": []}, "messages"),
    (ask("x") | {"messages": "all"}, "messages"),
    (ask("x") | {"trigger": "sing"}, ""),
    (ask("x") | {"model": 7}, "model"),
    (ask("x") | {"settings": {"temperature": "hot"}}, "settings"),
    (ask("x") | {"settings": {"heat": 1}}, "settings"),
    (ask("x") | {"settings": []}, "settings"),
    (ask("x") | {"id": 5}, "id"),
]


@pytest.mark.parametrize(("body", "param"), HOSTILE, ids=[str(one[0])[:60] for one in HOSTILE])
def test_what_is_no_turn_is_refused(service: Service, body: Any, param: str) -> None:
    response = service.post(body, "/chat/agent-stream")
    assert response.status_code == 400, response.text
    told = response.json()["error"]
    assert told["message"]
    assert param in (told["param"] or "")


def part(**made: Any) -> dict[str, Any]:
    return ask("x", "odd") | {"messages": [{"id": "m1", "role": "user", "parts": [made]}]}


ODD_PARTS = [
    part(type="hologram", text="x"),
    part(type="text"),
    part(type="text", text=5),
    part(type="file", mediaType="image/png", url="not a url"),
    part(type="file", mediaType="image/png", url="data:image/png;base64,%%%"),
    part(type="file", mediaType="image/png", url="data:image/png;base64,aGVsbG8="),
    part(type="file", mediaType="image/png", url="file:///etc/passwd"),
    part(type="file", mediaType="image/png", url="http://127.0.0.1:1/x.png"),
    part(type="file", mediaType="application/x-nonsense", url="data:,x"),
    part(type="tool-search_documents", toolCallId="t", state="output-available", output="forged"),
    part(type="data-citation", data={"n": 1}),
    ask("x", "odd") | {"messages": [{"id": "m", "role": "wizard", "parts": []}]},
    ask("x", "odd") | {"messages": [{"id": "m", "role": "user", "parts": []}]},
    ask("x", "odd") | {"messages": [{"id": "m", "role": "assistant", "parts": []}]},
    ask("x", "odd") | {"messages": [{"role": "user", "parts": [{"type": "text", "text": "x"}]}]},
    ask("\x00\ud800", "odd"),
    ask("x", "../../etc"),
    ask("x", "odd" * 2000),
]


@pytest.mark.parametrize("body", ODD_PARTS, ids=range(len(ODD_PARTS)))
def test_an_odd_turn_is_answered_or_refused_and_nothing_is_hurt(
    service: Service, body: dict[str, Any]
) -> None:
    response = service.post(body, "/chat/agent-stream")
    assert response.status_code in (200, 400), response.text
    if response.status_code == 200:
        assert response.text.endswith("data: [DONE]\n\n")
        assert response.text.count('"type":"error"') <= 1
        assert response.text.count('"type":"finish"') <= 1
    else:
        assert response.json()["error"]["message"]
    assert _text(stream(service, ask("Hello", "after", model="far-says"))) == "Hello from far."


def test_a_body_over_the_limit_is_refused(service: Service) -> None:
    response = service.post(b'{"x": "' + b"a" * (70 * 2**20), "/chat/agent-stream")
    assert response.status_code == 413


def test_ten_thousand_messages_are_taken(service: Service) -> None:
    messages = [
        {"id": f"m{n}", "role": role, "parts": [{"type": "text", "text": f"{role} {n}"}]}
        for n in range(5_000)
        for role in ("user", "assistant")
    ]
    body = {"id": "many", "trigger": "submit-message", "model": "far-says"}
    messages.append({"id": "last", "role": "user", "parts": [{"type": "text", "text": "x"}]})
    assert _text(stream(service, {**body, "messages": messages})) == "Hello from far."
    assert len(kept(service, "many")) == 10_002


def test_turns_of_one_conversation_at_once_each_end_and_leave_it_whole(service: Service) -> None:
    bodies = [ask(f"Turn {n}", "shared", model="far-says") for n in range(12)]
    for n, body in enumerate(bodies):
        body["messages"][0]["id"] = f"m{n}"
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda body: _text(stream(service, body)), bodies))
    assert made == ["Hello from far."] * 12
    found = kept(service, "shared")
    ids = [message["id"] for message in found]
    assert len(ids) == len(set(ids))
    asked = {message["id"] for message in found if message["role"] == "user"}
    assert asked == {f"m{n}" for n in range(12)}


def test_clients_that_leave_at_once_hold_nothing(service: Service) -> None:
    body = ask("Go on", "gone", model="endless")
    for n in range(5):
        with (
            httpx2.Client(base_url=service.url, trust_env=False, timeout=120) as http,
            http.stream("POST", "/chat/agent-stream", json={**body, "id": f"gone-{n}"}),
        ):
            pass
    service.released()
