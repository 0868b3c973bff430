from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from mlxd.desk.agent import history


def asked(text: str) -> ModelMessage:
    return ModelRequest([UserPromptPart(text)])


def turn(n: int, tool: bool, length: int) -> list[ModelMessage]:
    made = [asked(f"question {n} " + "x" * length)]
    if tool:
        made.append(ModelResponse([ToolCallPart("look", {"n": n}, f"call-{n}")]))
        made.append(ModelRequest([ToolReturnPart("look", "y" * length, f"call-{n}")]))
    return [*made, ModelResponse([TextPart(f"answer {n}")])]


turns = st.lists(st.tuples(st.booleans(), st.integers(0, 300)), min_size=1, max_size=12)


@given(turns, st.integers(0, 3000))
def test_the_newest_that_fits_is_kept_whole_turn_by_whole_turn(shapes, budget):
    groups = [turn(n, *shape) for n, shape in enumerate(shapes)]
    messages = [message for group in groups for message in group]
    kept = history.newest(messages, budget)
    assert kept == messages[len(messages) - len(kept) :]
    assert kept[0] in [group[0] for group in groups]
    dropped = len(messages) - len(kept)
    if dropped:
        # One more turn would not have fitted.
        before = next(g for g in groups if g[-1] is messages[dropped - 1])
        assert sum(map(history.tokens, [*before, *kept])) > budget
    if kept[0] is not groups[-1][0]:
        assert sum(map(history.tokens, kept)) <= budget


def test_the_last_question_is_kept_though_it_is_too_long():
    messages = [asked("short"), ModelResponse([TextPart("yes")]), asked("long " * 1000)]
    assert history.newest(messages, 10) == messages[2:]


def test_a_picture_is_found_in_any_turn():
    picture = BinaryContent(b"\x89PNG", media_type="image/png")
    seen = [ModelRequest([UserPromptPart(["what is it?", picture])]), asked("and its colour?")]
    assert history.has_images(seen)
    assert not history.has_images([asked("an image?")])


def test_chinese_is_counted_by_its_characters():
    assert history.tokens(asked("汉" * 300)) >= 300
