"""A chat that comes while background requests run: what it is told, and how soon."""

import pytest
from tests.engine.harness import GREEDY, Engine, say
from tests.engine.test_generation import drawn, prompt

from mlxd.wire import Format, Priority, Sampling, Step

PENALISED = Sampling(
    temperature=0.8, seed=3, repetition_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.2
)
# So long that they are still under way however slow the machine is.
LONG = 8_000


def background(engine: Engine, count: int) -> list[int]:
    """Requests that have begun to answer."""
    made = [
        engine.submit(prompt(30 + i, 500 + i), max_tokens=LONG, priority=Priority.BATCH)
        for i in range(count)
    ]
    while not all(engine.answers[one].tokens for one in made):
        engine.receive()
    return made


def end(engine: Engine, requests: list[int]) -> None:
    for one in requests:
        engine.cancel(one)
    engine.until_idle()


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("sampling", [GREEDY, drawn(5), PENALISED])
@pytest.mark.parametrize("tokens", [1, 2, 20])
def test_it_is_answered_as_it_is_alone(
    text_engine: Engine, rows: int, sampling: Sampling, tokens: int
) -> None:
    options = {"sampling": sampling, "max_tokens": tokens, "logprobs": 2}
    alone = text_engine.ask(prompt(25, 40), **options)
    slow = background(text_engine, rows)
    beside = text_engine.ask(prompt(25, 40), **options)
    running = [not text_engine.answers[one].over for one in slow]
    end(text_engine, slow)
    assert all(running), "the background must have been under way"
    assert (beside.tokens, beside.finish) == (alone.tokens, alone.finish)
    assert [one.token for one in beside.logprobs] == [one.token for one in alone.logprobs]


def test_what_was_resumed_and_what_follows_a_grammar_too(text_engine: Engine) -> None:
    number = Format("regex", r"[0-9]{12}")
    whole = text_engine.ask(prompt(15, 41), sampling=PENALISED, max_tokens=20).tokens
    plain = text_engine.ask(say("a number?"), format=number, max_tokens=30).text
    slow = background(text_engine, 3)
    rest = text_engine.submit(prompt(15, 41), sampling=PENALISED, max_tokens=20, resume=whole[:9])
    guided = text_engine.submit(say("a number?"), format=number, max_tokens=30)
    text_engine.wait(rest, guided)
    end(text_engine, slow)
    assert text_engine.answers[rest].tokens == whole[9:]
    assert text_engine.answers[guided].text == plain


def test_the_background_goes_on_as_if_nothing_had_come_between(text_engine: Engine) -> None:
    asked = [(prompt(30 + i, 600 + i), {"max_tokens": 60}) for i in range(3)]
    alone = [text_engine.ask(one, **more).tokens for one, more in asked]
    beside = [text_engine.submit(one, priority=Priority.BATCH, **more) for one, more in asked]
    while not all(text_engine.answers[one].tokens for one in beside):
        text_engine.receive()
    text_engine.wait(text_engine.submit(prompt(9, 42), max_tokens=2))
    text_engine.wait(*[text_engine.submit(prompt(9 + i, 43), max_tokens=3) for i in range(3)])
    assert [one.tokens for one in text_engine.wait(*beside)] == alone


def test_its_first_token_does_not_wait_for_a_step_of_the_background(text_engine: Engine) -> None:
    slow = background(text_engine, 4)
    chat = text_engine.submit(prompt(12, 44), max_tokens=5)
    frames: list[set[int]] = []
    while not text_engine.answers[chat].over:
        frame = text_engine.receive()
        if isinstance(frame, Step) and any(event.id == chat for event in frame.events):
            frames.append({event.id for event in frame.events})
    end(text_engine, slow)
    assert frames == [{chat}, *[{chat, *slow}] * 4]


def test_the_background_goes_on_beside_chats_without_end(text_engine: Engine) -> None:
    """Each of one token, so that none of them ever shares a step with it otherwise."""
    slow = background(text_engine, 4)
    chats = [text_engine.submit(prompt(10 + 7 * i, 700 + i), max_tokens=1) for i in range(40)]
    while not text_engine.answers[chats[0]].over:
        text_engine.receive()
    before = len(text_engine.answers[slow[0]].tokens)
    while not all(text_engine.answers[one].over for one in chats):
        text_engine.receive()
    made = len(text_engine.answers[slow[0]].tokens) - before
    end(text_engine, slow)
    assert made > 0
