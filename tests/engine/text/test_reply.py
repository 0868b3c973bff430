"""Tokens in, what a client may see out; how the text is cut into tokens never matters."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxd.engine.text import PLAIN, Ending, Piece, Reply, Style, Tokenizer

TEXT = st.text(st.sampled_from("ab<>/|think \n🙂é中{}"), max_size=40)


class Shown:
    """All that a reply showed, and how it ended."""

    def __init__(self, reply: Reply, ids: list[int], reason: str = "stop") -> None:
        self.pieces: list[Piece] = []
        for token in ids:
            self.pieces.append(reply.push(token))
            if self.pieces[-1].stopped:
                break
        self.end: Ending = reply.finish(reason)  # type: ignore[arg-type]
        every = [*self.pieces, self.end.piece]
        self.text = "".join(p.text for p in every)
        self.reasoning = "".join(p.reasoning for p in every)
        self.stopped = any(p.stopped for p in every)


def spell(tokenizer: Tokenizer, text: str) -> list[int]:
    """A text in the smallest tokens there are: its bytes."""
    single = {tokenizer.token_bytes(i): i for i in range(256)}
    return [single[bytes([b])] for b in text.encode()]


@given(st.lists(st.integers(0, 2047), max_size=60))
@settings(max_examples=200, deadline=None)
def test_what_is_shown_is_what_the_tokens_decode_to(tokenizer: Tokenizer, ids: list[int]) -> None:
    assert Shown(Reply(tokenizer, PLAIN), ids).text == tokenizer.decode(ids)


@given(st.binary(max_size=30))
@settings(max_examples=100, deadline=None)
def test_pieces_with_byte_fallback_are_shown_whole(pieces: Tokenizer, data: bytes) -> None:
    ids = [pieces.token_id(f"<0x{b:02X}>") or 0 for b in data]
    shown = Shown(Reply(pieces, PLAIN), ids)
    assert shown.text == data.decode("utf-8", "replace").removeprefix(
        " " if pieces.strips_first_space else ""
    )


def test_a_character_is_never_shown_in_parts(tokenizer: Tokenizer) -> None:
    shown = Shown(Reply(tokenizer, PLAIN), spell(tokenizer, "a🙂b"))
    assert [p.text for p in shown.pieces] == ["a", "", "", "", "🙂", "b"]


def test_a_character_that_is_cut_off_shows_as_one_replacement(tokenizer: Tokenizer) -> None:
    shown = Shown(Reply(tokenizer, PLAIN), spell(tokenizer, "a🙂")[:-1], "length")
    assert [p.text for p in shown.pieces] == ["a", "", "", ""]
    assert shown.end.piece.text == "�"


def test_special_tokens_and_the_end_of_sequence_are_not_shown(tokenizer: Tokenizer) -> None:
    names = ("<|im_start|>", "<|vision_start|>", "<|im_end|>")
    ids = [*spell(tokenizer, "a"), *(tokenizer.token_id(n) or 0 for n in names)]
    assert Shown(Reply(tokenizer, PLAIN), ids).text == "a"


def cut_at(text: str, stops: list[str]) -> tuple[str, bool]:
    """What stop strings leave of a text: the first to be complete counts, then the longest."""
    found = [(text.index(s) + len(s), text.index(s)) for s in stops if s in text]
    return (text[: min(found)[1]], True) if found else (text, False)


@given(
    st.text(st.sampled_from("abc é🙂"), max_size=30),
    st.lists(st.text(st.sampled_from("abc é🙂"), min_size=1, max_size=5), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_stops_are_found_across_tokens(tokenizer: Tokenizer, text: str, stops: list[str]) -> None:
    shown = Shown(Reply(tokenizer, PLAIN, stop=stops), spell(tokenizer, text))
    assert (shown.text, shown.stopped) == cut_at(text, stops)
    whole = Shown(Reply(tokenizer, PLAIN, stop=stops), tokenizer.encode(text))
    assert (whole.text, whole.stopped) == (shown.text, shown.stopped)


def test_a_stop_inside_of_a_token_ends_the_answer_there(tokenizer: Tokenizer) -> None:
    token = tokenizer.token_id("er") or 0
    shown = Shown(Reply(tokenizer, PLAIN, stop=["r"]), [token, token])
    assert (shown.text, len(shown.pieces), shown.end.finish) == ("e", 1, "stop")


def test_what_could_become_a_stop_is_held_only_as_long_as_it_can(tokenizer: Tokenizer) -> None:
    reply = Reply(tokenizer, PLAIN, stop=["abcd"])
    texts = [reply.push(t).text for t in spell(tokenizer, "xabxabca")]
    assert texts == ["x", "", "", "abx", "", "", "", "abc"]
    assert reply.finish("length").piece.text == "a"


def test_stops_that_begin_alike_are_all_found(tokenizer: Tokenizer) -> None:
    for text, left in (("xaab", "xa"), ("aac", ""), ("aaac", "a"), ("ab", "")):
        shown = Shown(Reply(tokenizer, PLAIN, stop=["ab", "aac"]), spell(tokenizer, text))
        assert (shown.text, shown.stopped) == (left, True)


@pytest.mark.parametrize(
    ("prompt", "said", "reasoning", "text"),
    [
        ("", "<think>\nI see.\n</think>\n\nHello <b>", "I see.", "Hello <b>"),
        ("<think>\n", "I see.\n</think>\n\nHello", "I see.", "Hello"),
        ("<think>\n\n</think>\n\n", "Hello", "", "Hello"),
        ("", "\n\n<think>a</think>b", "a", "b"),
        ("", "Write <think> to think</think>.", "", "Write <think> to think</think>."),
        ("", "<thinking>", "", "<thinking>"),
        ("", "  two blanks ", "", "  two blanks "),
        ("", "<think></think>x", "", "x"),
        ("", "<think> a </th b </think> c ", "a </th b", "c "),
        ("<think>", "never closed", "never closed", ""),
    ],
)
def test_reasoning_is_told_from_the_answer(
    tokenizer: Tokenizer, style: Style, prompt: str, said: str, reasoning: str, text: str
) -> None:
    for ids in (spell(tokenizer, said), tokenizer.encode(said)):
        shown = Shown(Reply(tokenizer, style, prompt=prompt), ids)
        assert (shown.reasoning, shown.text) == (reasoning, text)


def test_tokens_of_reasoning_are_counted(tokenizer: Tokenizer, style: Style) -> None:
    reply = Reply(tokenizer, style)
    Shown(reply, tokenizer.encode("<think>abcd</think>answer"))
    inside = len(tokenizer.encode("abcd")) + 1  # with the token that ends it
    assert reply.reasoning_tokens == inside


@given(TEXT, st.booleans())
@settings(max_examples=300, deadline=None)
def test_cutting_into_tokens_does_not_matter(
    tokenizer: Tokenizer, style: Style, text: str, opened: bool
) -> None:
    prompt = "<think>" if opened else ""
    stops = ["<b", "\n\n"]
    one, other = (
        Shown(Reply(tokenizer, style, prompt=prompt, stop=stops), ids)
        for ids in (spell(tokenizer, text), tokenizer.encode(text))
    )
    assert (one.text, one.reasoning, one.stopped) == (other.text, other.reasoning, other.stopped)
    assert one.end.why == other.end.why


def test_stops_do_not_apply_to_reasoning(tokenizer: Tokenizer, style: Style) -> None:
    ids = spell(tokenizer, "<think>a STOP b</think>\n\nc\nSTOP d")
    shown = Shown(Reply(tokenizer, style, stop=["STOP", "\n\n"]), ids)
    assert (shown.reasoning, shown.text, shown.stopped) == ("a STOP b", "c\n", True)


@pytest.mark.parametrize(
    ("said", "reason", "options", "finish", "why"),
    [
        ("", "stop", {}, "stop", "end_of_sequence_first"),
        ("<|im_end|>", "stop", {}, "stop", "end_of_sequence_first"),
        ("", "stop", {"constrained": True}, "stop", "grammar"),
        ("STOP", "stop", {"stop": ["STOP"]}, "stop", "stop_sequence_first"),
        ("a STOP", "stop", {"stop": ["STOP"]}, "stop", ""),
        ("<think>a", "length", {}, "length", "budget_in_reasoning"),
        ("a", "length", {"prompt": "<think>"}, "length", "budget_in_reasoning"),
        ("<think>a</think>", "length", {}, "length", "budget_in_reasoning"),
        ("<think>a</think>b", "length", {}, "length", ""),
        ("<think>a</think>", "stop", {}, "stop", ""),
        ("a", "length", {}, "length", ""),
    ],
)
def test_an_empty_answer_says_why(
    tokenizer: Tokenizer,
    style: Style,
    said: str,
    reason: str,
    options: dict[str, object],
    finish: str,
    why: str,
) -> None:
    shown = Shown(Reply(tokenizer, style, **options), tokenizer.encode(said), reason)  # type: ignore[arg-type]
    assert (shown.end.finish, shown.end.why) == (finish, why)


@given(TEXT, st.data())
@settings(max_examples=100, deadline=None)
def test_a_resumed_reply_goes_on_as_the_first_would_have(
    tokenizer: Tokenizer, style: Style, text: str, data: st.DataObject
) -> None:
    ids = tokenizer.encode(text)
    cut = data.draw(st.integers(0, len(ids)))
    first, second = (Reply(tokenizer, style, stop=["b<"]) for _ in range(2))
    before = [first.push(t) for t in ids[:cut]]
    assert before == [second.push(t) for t in ids[:cut]]
    assert [first.push(t) for t in ids[cut:]] == [second.push(t) for t in ids[cut:]]
    assert first.finish("stop") == second.finish("stop")


def test_nothing_comes_after_a_stop(tokenizer: Tokenizer) -> None:
    reply = Reply(tokenizer, PLAIN, stop=["a"])
    assert reply.push(*spell(tokenizer, "a")).stopped
    assert reply.push(*spell(tokenizer, "b")) == Piece()
    assert reply.finish("stop").piece == Piece()
