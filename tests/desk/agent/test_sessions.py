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
