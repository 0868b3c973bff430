import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from mlxd.desk.agent.sessions import Sessions


def message(id: str, text: str, role: str = "user"):
    return {"id": id, "role": role, "parts": [{"type": "text", "text": text}]}


@asynccontextmanager
async def opened(folder):
    async with Sessions(folder / "sessions.db") as sessions:
        yield sessions


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_both_sides_of_a_turn_are_there_after_a_restart(tmp_path):
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [message("m1", "hello")])
        await sessions.answered("s", "m1", message("a1", "hi", "assistant"))
    async with opened(tmp_path) as sessions:
        found = await sessions.get("s")
    assert [one["id"] for one in found.messages] == ["m1", "a1"]
    assert found.title == "hello"


async def test_a_client_may_send_the_whole_conversation_or_only_what_is_new(tmp_path):
    first, answer, second = (
        message("m1", "one"),
        message("a1", "1", "assistant"),
        message("m2", "two"),
    )
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [first])
        await sessions.answered("s", "m1", answer)
        whole = await sessions.continued("s", [first, answer, second])
        assert whole == [first, answer, second]
        await sessions.delete("s")
        await sessions.continued("s", [first])
        await sessions.answered("s", "m1", answer)
        assert await sessions.continued("s", [second]) == [first, answer, second]


async def test_an_answer_that_is_made_again_takes_the_place_of_the_first(tmp_path):
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [message("m1", "one")])
        await sessions.answered("s", "m1", message("a1", "1", "assistant"))
        await sessions.continued("s", [message("m1", "one")])
        await sessions.answered("s", "m1", message("a2", "uno", "assistant"))
        assert [one["id"] for one in (await sessions.get("s")).messages] == ["m1", "a2"]


async def test_a_branch_has_its_own_future(tmp_path):
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [message("m1", "one"), message("m2", "two")])
        branch = await sessions.branch("s", "m1")
        await sessions.continued(branch.id, [message("m3", "three")])
        assert [one["id"] for one in (await sessions.get(branch.id)).messages] == ["m1", "m3"]
        assert [one["id"] for one in (await sessions.get("s")).messages] == ["m1", "m2"]
        assert branch.branched_from == "s"
        assert await sessions.branch("s", "nothing") is None


async def test_search_finds_titles_and_words_and_takes_its_signs_literally(tmp_path):
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [message("m1", "about 100% wool")])
        await sessions.continued("t", [message("m1", "另外一个话题")])
        await sessions.rename("t", "Second")
        for query, ids in {
            "wool": ["s"],
            "100%": ["s"],
            "1_0": [],
            "话题": ["t"],
            "second": ["t"],
            "": ["t", "s"],
        }.items():
            assert [one.id for one in await sessions.find(query)] == ids, query


async def test_a_name_that_was_given_is_kept(tmp_path):
    async with opened(tmp_path) as sessions:
        made = await sessions.create("Mine")
        await sessions.continued(made.id, [message("m1", "something else")])
        assert (await sessions.get(made.id)).title == "Mine"


async def test_what_was_deleted_during_an_answer_stays_deleted(tmp_path):
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [message("m1", "one")])
        assert await sessions.delete("s")
        await sessions.answered("s", "m1", message("a1", "1", "assistant"))
        assert await sessions.get("s") is None


def ids(session):
    return [one["id"] for one in session.messages]


async def test_what_another_client_said_meanwhile_stays(tmp_path):
    first, answer = message("m1", "one"), message("a1", "1", "assistant")
    left, right = message("m2", "left"), message("n2", "right")
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [first])
        await sessions.answered("s", "m1", answer)
        await sessions.continued("s", [first, answer, left])
        # The second has not seen what the first said, and answers come in any order.
        assert await sessions.continued("s", [first, answer, right]) == [first, answer, right]
        await sessions.answered("s", "n2", message("b2", "to the right", "assistant"))
        await sessions.answered("s", "m2", message("a2", "to the left", "assistant"))
        assert ids(await sessions.get("s")) == ["m1", "a1", "m2", "a2", "n2", "b2"]
        # And the first goes on.
        sent = [first, answer, left, message("a2", "to the left", "assistant"), message("m3", "on")]
        assert await sessions.continued("s", sent) == sent
        assert ids(await sessions.get("s")) == ["m1", "a1", "m2", "a2", "n2", "b2", "m3"]


async def test_what_asking_again_cuts_off_is_kept_as_a_branch_with_its_answer(tmp_path):
    first, answer = message("m1", "one"), message("a1", "1", "assistant")
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [first])
        await sessions.answered("s", "m1", answer)
        await sessions.continued("s", [first, answer, message("m2", "two")])
        await sessions.continued("s", [first])
        await sessions.answered("s", "m1", message("b1", "uno", "assistant"))
        await sessions.answered("s", "m2", message("a2", "2", "assistant"))
        assert ids(await sessions.get("s")) == ["m1", "b1"]
        (branch,) = [one for one in await sessions.find() if one.branched_from == "s"]
        assert ids(await sessions.get(branch.id)) == ["m1", "a1", "m2", "a2"]
        # Who holds the earlier answer, and goes on with it, does not bring it back.
        await sessions.continued("s", [first, answer, message("m3", "three")])
        assert ids(await sessions.get("s")) == ["m1", "b1", "m3"]


async def test_what_was_asked_otherwise_is_kept_as_a_branch(tmp_path):
    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [message("m1", "one")])
        await sessions.continued("s", [message("m1", "another one")])
        (branch,) = [one for one in await sessions.find() if one.branched_from == "s"]
        assert (await sessions.get(branch.id)).messages == [message("m1", "one")]
        assert (await sessions.get("s")).messages == [message("m1", "another one")]


async def test_who_leaves_in_the_middle_of_a_write_takes_nothing_of_anothers_along(tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    def slow(db):
        db.execute("DELETE FROM messages")
        begun.set()
        go_on.wait(60)
        db.rollback()

    async with opened(tmp_path) as sessions:
        await sessions.continued("s", [message("m1", "one")])
        leaving = asyncio.create_task(sessions._do(slow))
        await asyncio.to_thread(begun.wait, 60)
        leaving.cancel()
        await asyncio.wait([leaving])
        answer = message("a1", "1", "assistant")
        answering = asyncio.create_task(sessions.answered("s", "m1", answer))
        try:
            # As long as it would take if it did not wait.
            await asyncio.wait([answering], timeout=1)
            assert not answering.done()
        finally:
            go_on.set()
        await answering
        assert ids(await sessions.get("s")) == ["m1", "a1"]
