"""Streams of every kind, as they came over the wire, through the npm client's own parser."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.judges.service import Service

from .npm import parsed, plain, said
from .test_turns import ask, kept

pytestmark = pytest.mark.timeout(600)

KINDS = {
    "text": "far-says",
    "reasoning": "far-reasons",
    "tool": "far-searches",
    "failed tool": "far-reads",
    "wrong call": "far-wrong-call",
    "steps": "far-loops",
    "refused": "far-fails",
    "cut": "far-breaks",
    "nobody": "reranker",
    "here": "pilot",
}
FAULTS = ("steps", "refused", "cut", "nobody")


@pytest.fixture(scope="module")
def recorded(service: Service) -> dict[str, str]:
    text = b"The harbour of Velm was opened in 1874. Its lighthouse is blue."
    service.http.post("/documents", files={"file": ("velm.txt", text, "text/plain")})
    service.eventually(
        lambda: all(job["state"] == "done" for job in service.http.get("/jobs").json()["jobs"])
    )
    made = {kind: _turn(service, kind, model=name) for kind, name in KINDS.items()}
    made["again"] = _turn(service, "text", model="far-says", trigger="regenerate-message")
    session = service.http.post("/sessions/rec-text/branch", json={"message_id": "m1"}).json()
    made["branch"] = _turn(service, session["id"], id=session["id"], model="far-says")
    made["stop"] = _stopped(service)
    return made


def _turn(service: Service, kind: str, **more: Any) -> str:
    body = ask("What colour is the lighthouse?", **{"id": f"rec-{kind}", **more})
    response = service.post(body, "/chat/agent-stream")
    assert response.status_code == 200, response.text
    return response.text


def _stopped(service: Service) -> str:
    """As far as it came when the client went away."""
    body = ask("Go on", "rec-stop", model="endless")
    taken = ""
    with service.http.stream("POST", "/chat/agent-stream", json=body) as response:
        for text in _whole(response.iter_text()):
            taken += text
            if taken.count("text-delta") >= 20:
                break
    service.released()
    service.eventually(lambda: len(kept(service, "rec-stop")) == 2)
    return taken


def _whole(pieces: Iterator[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        rest += piece
        *events, rest = rest.split("\n\n")
        yield from (f"{event}\n\n" for event in events)


def test_the_npm_parser_takes_every_recorded_stream(
    service: Service, recorded: dict[str, str]
) -> None:
    found = dict(zip(recorded, parsed(*recorded.values()), strict=True))
    kinds = {kind for one in found.values() for kind in one["kinds"]}
    for name, one in found.items():
        assert one["wrong"] == [], name
        assert one["status"] == ("error" if name in FAULTS else "ready"), (name, one)
        assert one["kinds"].count("error") == (name in FAULTS), name
        assert recorded[name].endswith("data: [DONE]\n\n") == (name != "stop"), name
    assert kinds >= {
        "start", "start-step", "finish-step", "finish", "error", "message-metadata",
        "text-start", "text-delta", "text-end",
        "reasoning-start", "reasoning-delta", "reasoning-end",
        "tool-input-start", "tool-input-delta", "tool-input-available",
        "tool-output-available", "tool-output-error", "data-citation",
    }  # fmt: skip
    assert said(found["again"]["messages"][-1]) == "Hello from far."
    assert said(found["branch"]["messages"][-1]) == "Hello from far."


def test_what_is_kept_of_each_is_what_the_client_makes_of_it(
    service: Service, recorded: dict[str, str]
) -> None:
    for name in ("reasoning", "tool", "failed tool", "steps", "cut", "here"):
        [one] = plain(parsed(recorded[name])["messages"][1:])
        [here] = plain(kept(service, f"rec-{name}")[1:])
        assert here == one, name
    text = said(parsed(recorded["stop"])["messages"][-1])
    assert said(kept(service, "rec-stop")[-1]).startswith(text)


def test_a_whole_answer_says_what_it_took(recorded: dict[str, str]) -> None:
    cost = parsed(recorded["here"])["messages"][-1]["metadata"]["mlxd"]
    assert cost["model"] == "pilot"
    assert cost["finish"] == "stop"
    assert cost["tokens"] > 0
    assert cost["seconds"] > 0
