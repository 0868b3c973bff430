"""Two clients in one conversation at once: what each said is kept, and each is told what the other
did to its answer."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.judges.service import Service

from .npm import Client, said
from .test_turns import kept, model
from .upstream import Upstream

pytestmark = pytest.mark.timeout(300)
Begin = Callable[[], Client]


@pytest.fixture
def two(service: Service, client: Begin) -> Iterator[tuple[Client, Client]]:
    """Both hold the same first turn."""
    one = client()
    one.say("Reply with exactly: first")
    other = Client(service.url, one.id)
    other.begin(load=True)
    assert len(other.held()["messages"]) == 2
    yield one, other
    other.close()


def answers_to(messages: list[dict[str, Any]]) -> dict[str, str]:
    """Each question, and what stands behind it."""
    behind = zip(messages, [*messages[1:], None], strict=True)
    return {
        said(one): said(next) if next and next["role"] == "assistant" else ""
        for one, next in behind
        if one["role"] == "user"
    }


def writes(service: Service, one: Client, question: str) -> None:
    """Begins an answer that does not end by itself."""
    before = service.engines()["endless"]["tokens_out"]
    one.begin(text=question, **model("endless"))
    service.eventually(lambda: service.engines()["endless"]["tokens_out"] > before + 20)


def test_each_says_something_while_the_other_is_answered(
    service: Service, upstream: Upstream, two: tuple[Client, Client]
) -> None:
    one, other = two
    upstream.go_on.clear()
    streaming = upstream.streaming
    try:
        one.begin(text="How long?", **model("far-waits"))
        service.eventually(lambda: upstream.streaming > streaming)
        held = other.say("Reply with exactly: second", **model("pilot"))
        assert said(held["messages"][-1]) == "second"
        assert not one.over()
    finally:
        upstream.go_on.set()
    held = one.held()
    assert held["status"] == "ready"
    assert said(held["messages"][-1]) == "It was long until it came."
    talked = {
        "Reply with exactly: first": "first",
        "How long?": "It was long until it came.",
        "Reply with exactly: second": "second",
    }
    assert answers_to(kept(service, one.id)) == talked
    # Neither has seen what the other said; what they say next takes nothing of it away.
    for talk, question in ((one, "third"), (other, "fourth")):
        talk.say(f"Reply with exactly: {question}", **model("pilot"))
        talked[f"Reply with exactly: {question}"] = question
    assert answers_to(kept(service, one.id)) == talked


def test_a_question_that_is_asked_again_elsewhere_has_the_later_answer(
    service: Service, two: tuple[Client, Client]
) -> None:
    one, other = two
    writes(service, one, "Reply with exactly: again")
    other.begin(load=True)
    assert other.held()["messages"][-1]["role"] == "user"
    other.begin(regenerate=True, **model("pilot"))
    assert said(other.held()["messages"][-1]) == "again"
    held = one.held()
    assert held["status"] == "error"
    assert "asked again" in held["error"]
    service.released()
    assert answers_to(kept(service, one.id))["Reply with exactly: again"] == "again"


def test_a_client_that_stops_and_asks_again_at_once_has_its_answer(
    service: Service, two: tuple[Client, Client]
) -> None:
    one, _ = two
    one.begin(text="Reply with exactly: now", stopAfter=20, **model("endless"))
    one.begin(regenerate=True, **model("pilot"))
    assert said(one.held()["messages"][-1]) != "now"
    held = one.held()
    assert said(held["messages"][-1]) == "now"
    service.released()
    assert [message["id"] for message in kept(service, one.id)] == [
        message["id"] for message in held["messages"]
    ]


def test_an_answer_whose_question_was_cut_off_is_in_the_branch(
    service: Service, upstream: Upstream, two: tuple[Client, Client]
) -> None:
    one, other = two
    upstream.go_on.clear()
    streaming = upstream.streaming
    try:
        one.begin(text="How long?", **model("far-waits"))
        service.eventually(lambda: upstream.streaming > streaming)
        other.begin(regenerate=True, **model("far-says"))
        assert said(other.held()["messages"][-1]) == "Hello from far."
    finally:
        upstream.go_on.set()
    assert one.held()["status"] == "ready"
    assert answers_to(kept(service, one.id)) == {"Reply with exactly: first": "Hello from far."}
    sessions = service.http.get("/sessions").json()["sessions"]
    (branch,) = [made for made in sessions if made.get("branched_from") == one.id]
    assert answers_to(kept(service, branch["id"])) == {
        "Reply with exactly: first": "first",
        "How long?": "It was long until it came.",
    }


def test_a_conversation_that_is_deleted_elsewhere_ends_its_answer(
    service: Service, two: tuple[Client, Client]
) -> None:
    one, _ = two
    writes(service, one, "Go on")
    assert service.http.delete(f"/sessions/{one.id}").status_code == 200
    held = one.held()
    assert held["status"] == "error"
    assert "deleted" in held["error"]
    service.released()
    assert service.http.get(f"/sessions/{one.id}").status_code == 404
    # Who talks on all the same has what it holds.
    held = one.say("Reply with exactly: on", **model("pilot"))
    assert answers_to(kept(service, one.id))["Reply with exactly: on"] == "on"
    assert answers_to(kept(service, one.id))["Reply with exactly: first"] == "first"


def test_a_name_and_a_branch_given_elsewhere_leave_an_answer_as_it_is(
    service: Service, upstream: Upstream, two: tuple[Client, Client]
) -> None:
    one, _ = two
    upstream.go_on.clear()
    streaming = upstream.streaming
    try:
        one.begin(text="How long?", **model("far-waits"))
        service.eventually(lambda: upstream.streaming > streaming)
        service.http.patch(f"/sessions/{one.id}", json={"title": "Mine"}).raise_for_status()
        question = {"message_id": kept(service, one.id)[-1]["id"]}
        branch = service.http.post(f"/sessions/{one.id}/branch", json=question)
        made = branch.raise_for_status().json()
    finally:
        upstream.go_on.set()
    assert one.held()["status"] == "ready"
    found = service.http.get(f"/sessions/{one.id}").json()
    assert found["title"] == "Mine"
    assert answers_to(found["messages"])["How long?"] == "It was long until it came."
    assert answers_to(kept(service, made["id"]))["How long?"] == ""
