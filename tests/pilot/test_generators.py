"""The pilot's training data: one seed, one set of examples; and text survives the tokenizer."""

import json
import random
from typing import Any

import pytest
from training.pilot import chat, evaluate
from training.pilot.heldout import echo
from training.pilot.heldout import text as heldout
from training.pilot.phrase import Example, loosen
from training.pilot.tasks import exact, found, kinds, mixture, passage
from training.pilot.tokenizer import Tokenizer


def _rendered(example: Example) -> str:
    return chat.prompt(example.messages, example.tools) + example.answer


@pytest.mark.parametrize("skill", sorted(mixture.SHARES))
def test_the_same_seed_gives_the_same_examples(skill: str) -> None:
    make = mixture.SHARES[skill][1]
    first = [_rendered(make(random.Random(f"{skill}/{i}"))) for i in range(20)]
    again = [_rendered(make(random.Random(f"{skill}/{i}"))) for i in range(20)]
    assert first == again
    assert len(set(first)) > 10


def test_calls_in_answers_name_a_tool_at_hand_and_parse() -> None:
    for i in range(200):
        example = mixture.SHARES["call"][1](random.Random(i))
        names = {t["function"]["name"] for t in example.tools or []}
        body = example.answer.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
        assert json.loads(body)["name"] in names


def test_an_answer_from_documents_cites_the_result_that_holds_it() -> None:
    cited = 0
    for i in range(300):
        example = found.make(random.Random(f"found/{i}"))
        answer, _, number = example.answer.removesuffix("]").rpartition(" [")
        results = [m["content"] for m in example.messages if m["role"] == "tool"]
        if example.skill != "loop" or not number.isdigit():
            continue
        shown = json.loads(results[-1])
        listed = shown["results"] if isinstance(shown, dict) else shown
        (holding,) = [one for one in listed if next(iter(one.values())) == int(number)]
        assert any(answer in text for text in holding.values() if isinstance(text, str))
        cited += 1
    assert cited > 100


def test_text_comes_back_from_the_tokenizer_as_it_went_in() -> None:
    tokenizer = Tokenizer.load()
    for i in range(200):
        text = _rendered(mixture.draw(random.Random(i)))
        assert tokenizer.decode(tokenizer.encode(text)) == text
    for text in ("Grüße, 你好! \U0001f600 \t\n x=1", "get_weather HTTPServer aB3"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert tokenizer.decode(tokenizer.spell(text)) == text


def test_a_code_is_spelled_the_same_way_wherever_it_stands() -> None:
    tokenizer = Tokenizer.load()
    for code in ("QX-7713ab", "zz9.K_4", "77a0"):
        alone = tokenizer.encode(code)
        within = tokenizer.encode(f"Reply with exactly: {code}\nNow.")
        assert any(within[i : i + len(alone)] == alone for i in range(len(within)))


def test_the_judge_accepts_what_is_right_and_refuses_what_is_not() -> None:
    example = heldout.call_random(random.Random(1))
    right = evaluate.Reply("", list(example.meta["calls"]), True, 0.0)
    wrong = evaluate.Reply("", [(example.meta["calls"][0][0], {"other": 1})], True, 0.0)
    assert evaluate.judge(example, right)
    assert not evaluate.judge(example, wrong)
    assert evaluate.distance("kitten", "sitting") == 3


def test_no_held_out_request_can_come_from_the_training_generators() -> None:
    """With a mark for the text that is wanted, a held-out request never equals a trained one."""
    mark = "QQXQQ"
    held = {
        request.replace("{x}", mark)
        for request in (*echo.EXACT, *echo.EXACT_ZH)
        if request.count("{x}") == 1
    }
    for i in range(4000):
        rng = random.Random(f"apart/{i}")
        asked = exact.ask(rng, mark, chinese=i % 2 == 0)
        assert asked not in held, asked
    kinds_trained = {n for k in kinds.written("en") for n in k.names}
    assert not kinds_trained & {n for k in heldout._kinds() for n in k.names}
    trained = {f.sentence for f in passage.frames("en")}
    assert not trained & {f.sentence for f in heldout._frames()}


def test_what_is_to_be_said_stands_in_the_request() -> None:
    for i in range(500):
        example = mixture.SHARES["exact"][1](random.Random(f"said/{i}"))
        told = "\n".join(str(m["content"]) for m in example.messages)
        assert example.answer in told


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _strings(inner)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("skill", ["call", "loose", "themed", "two"])
def test_every_text_of_a_call_stands_in_the_request_letter_by_letter(skill: str) -> None:
    for i in range(300):
        example = mixture.SHARES[skill][1](random.Random(f"letters/{skill}/{i}"))
        told = "\n".join(str(m["content"]) for m in example.messages)
        offered = json.dumps(example.tools, ensure_ascii=False)  # an option is written as there
        for _, arguments in example.meta["calls"]:
            for text in _strings(arguments):
                assert text in told or json.dumps(text, ensure_ascii=False) in offered


def test_tags_stand_in_the_document_and_are_three_to_seven() -> None:
    for i in range(300):
        example = mixture.SHARES["tags"][1](random.Random(f"tags/{i}"))
        found = json.loads(example.answer)
        found = found["tags"] if isinstance(found, dict) else found
        text = str(example.messages[-1]["content"]).lower()
        assert 3 <= len(set(found)) == len(found) <= 7
        assert all(tag.lower() in text for tag in found)


def test_a_request_never_loses_all_its_words() -> None:
    for i in range(3000):
        rng = random.Random(f"loosen/{i}")
        assert loosen(rng, "Stop it", ["word"], 1.0).strip()
        assert loosen(rng, "你好", ["word"], 1.0).strip(" ，。")


def test_a_sentence_that_repeats_itself_is_asked_for_whole() -> None:
    seen = 0
    for i in range(2000):
        example = exact.make(random.Random(f"again/{i}"))
        shown = "".join(str(message["content"]) for message in example.messages)
        assert example.answer in shown
        words = example.answer.split()
        seen += len(words) > 4 and len(set(words)) < len(words) - 1
    assert seen > 50
