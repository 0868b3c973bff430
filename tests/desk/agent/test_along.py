"""An answer that is read along: by another window, or by one that was loaded anew in the middle."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.judges.service import Service

from .npm import Client, parsed, plain, said
from .test_turns import kept, model, same
from .upstream import Upstream

pytestmark = pytest.mark.timeout(300)
Begin = Callable[[], Client]
WHOLE = "It was long until it came."
RESUMABLE = {"body": {"model": "far-waits", "resumable": True}}


@pytest.fixture
def waiting(service: Service, upstream: Upstream) -> Iterator[Callable[..., None]]:
    """Has a client ask, and is back when the answer is held in its middle."""

    def begin(one: Client, **turn: Any) -> None:
        upstream.go_on.clear()
        streaming = upstream.streaming
        one.begin(**{"text": "How long?", **RESUMABLE, **turn})
        service.eventually(lambda: upstream.streaming > streaming)

    yield begin
    upstream.go_on.set()


@pytest.fixture
def window(service: Service) -> Iterator[Callable[[Client], Client]]:
    """Another client of the same conversation, with what is kept of it."""
    made: list[Client] = []

    def open_(one: Client) -> Client:
        other = Client(service.url, one.id)
        made.append(other)
        other.begin(load=True)
        other.held()
        return other

    yield open_
    for other in made:
        other.close()


def answering(service: Service, id: str) -> bool:
    shown = service.http.get(f"/sessions/{id}").raise_for_status().json()
    return bool(shown.get("answering", False))


def reads_along(service: Service, other: Client) -> None:
    """Is back when it is there: its own request, and that of who asked."""
    other.begin(resume=True)
    service.eventually(lambda: service.http.get("/status").json()["desk"]["requests"] >= 2)


def test_another_client_reads_an_answer_along(
    service: Service, upstream: Upstream, client: Begin, waiting: Any, window: Any
) -> None:
    one = client()
    waiting(one)
    assert answering(service, one.id)
    listed = service.http.get("/sessions").raise_for_status().json()["sessions"]
    assert [talk["id"] for talk in listed if talk.get("answering")] == [one.id]
    other = window(one)
    reads_along(service, other)
    assert not other.over()
    upstream.go_on.set()
    mine, theirs = one.held(), other.held()
    assert mine["status"] == theirs["status"] == "ready"
    assert said(theirs["messages"][-1]) == WHOLE
    assert plain(mine["messages"]) == plain(theirs["messages"])
    same(service, one, mine)
    assert not answering(service, one.id)
    # There is nothing to read along any more, and nothing changes.
    other.begin(resume=True)
    assert other.held() == theirs


def test_an_answer_goes_on_while_nobody_reads_it(
    service: Service, upstream: Upstream, client: Begin, waiting: Any, window: Any
) -> None:
    one = client()
    waiting(one)
    one.vanish()
    other = window(one)
    other.begin(resume=True)
    other.vanish()
    assert answering(service, one.id)
    assert service.http.get("/status").json()["desk"]["busy"]
    upstream.go_on.set()
    service.eventually(lambda: not answering(service, one.id))
    assert said(kept(service, one.id)[-1]) == WHOLE


def test_who_stops_it_stops_it_for_all(
    service: Service, client: Begin, waiting: Any, window: Any, upstream: Upstream
) -> None:
    one = client()
    waiting(one)
    other = window(one)
    reads_along(service, other)
    question = kept(service, one.id)[-1]["id"]
    path = f"/chat/agent-stream/{one.id}/stream"
    nothing = service.http.delete(path, params={"question": "another"}).raise_for_status()
    assert nothing.json() == {"id": one.id, "stopped": False}
    stopped = service.http.delete(path, params={"question": question}).raise_for_status()
    assert stopped.json() == {"id": one.id, "stopped": True}
    mine, theirs = one.held(), other.held()
    assert mine["status"] == theirs["status"] == "ready"
    assert plain(mine["messages"]) == plain(theirs["messages"])
    assert "metadata" not in mine["messages"][-1]
    # Nothing more comes of it when its server goes on.
    upstream.go_on.set()
    service.eventually(lambda: upstream.streaming == 0)
    assert said(mine["messages"][-1]) == WHOLE[:12]
    same(service, one, mine)


def test_an_unchanged_client_that_leaves_stops_it_for_all(
    service: Service, client: Begin, waiting: Any, window: Any
) -> None:
    one = client()
    waiting(one, **model("far-waits"))
    other = window(one)
    reads_along(service, other)
    one.vanish()
    theirs = other.held()
    assert theirs["status"] == "ready"
    assert said(theirs["messages"][-1]) == WHOLE[:12]
    same(service, other, theirs)


def test_who_comes_later_is_told_what_was_said_in_few_pieces(
    service: Service, client: Begin, window: Any
) -> None:
    one = client()
    before = service.engines()["endless"]["tokens_out"]
    one.begin(text="Go on", body={"model": "endless", "resumable": True})
    service.eventually(lambda: service.engines()["endless"]["tokens_out"] > before + 400)
    path = f"/chat/agent-stream/{one.id}/stream"
    told = b""
    with service.http.stream("GET", path) as response:
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        for piece in response.iter_bytes():
            told += piece
            if told.count(b"text-delta") >= 2:
                break
    service.http.delete(path).raise_for_status()
    held = one.held()
    assert held["status"] == "ready"
    first = next(line for line in told.split(b"\n\n") if b"text-delta" in line)
    assert len(first) > 400
    service.released()
    # As far as that went, it is the same.
    whole = b"\n\n".join(told.split(b"\n\n")[:-1]) + b"\n\n"
    assert said(held["messages"][-1]).startswith(said(parsed(whole.decode())["messages"][-1]))


@pytest.mark.parametrize("id", ["nobody-s", "..%2F..%2Fetc", "a b", "%00"])
def test_where_nothing_is_answered_there_is_nothing_to_read(service: Service, id: str) -> None:
    assert service.http.get(f"/chat/agent-stream/{id}/stream").status_code == 204
    gone = service.http.delete(f"/chat/agent-stream/{id}/stream").raise_for_status()
    assert gone.json()["stopped"] is False
