"""Windows end where sentences do and lose nothing; words are cut alike everywhere."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.desk.documents import chunks
from mlxd.desk.documents.pieces import Block, Page
from mlxd.desk.documents.search import snippet
from mlxd.desk.documents.words import asked, indexed, tokens, words

prose = st.lists(
    st.text(alphabet="abc deü中文。.!?\n|-", min_size=1, max_size=200), max_size=12
).map(" ".join)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@given(prose, st.integers(5, 80))
def test_windows_lose_nothing_and_keep_to_their_size(text: str, limit: int) -> None:
    made = chunks.windows(text, limit, 0)
    assert squeezed("".join(made)) == squeezed(text)
    assert all(tokens(one) <= limit or not one.strip() for one in made)


@given(prose, st.integers(10, 80))
def test_windows_overlap_only_by_whole_sentences(text: str, limit: int) -> None:
    for one in chunks.windows(text, limit, limit // 4):
        assert squeezed(one) in squeezed(text)


@given(prose)
def test_places_of_words_are_in_the_text(text: str) -> None:
    for word in words(text):
        assert 0 <= word.start < word.end <= len(text)
        assert " " not in word.text


@given(prose)
def test_a_text_is_found_by_each_of_its_words(text: str) -> None:
    there = set(indexed(text).split())
    assert set(asked(text)) <= there


@given(prose, prose)
def test_highlights_stand_within_their_snippet(text: str, question: str) -> None:
    made = snippet(text, set(asked(question)))
    for start, end in made["highlights"]:
        assert 0 <= start < end <= len(made["snippet"])


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("The boxes were shipped", "shipping a box"),
        ("Café au lait", "cafe"),
        ("ＦＵＬＬ ｗｉｄｔｈ", "full width"),
        ("INV-2024/0017 was paid", "inv-2024/0017"),
        ("北京大学图书馆", "图书馆"),
        ("東京タワーの高さ", "東京"),
    ],
)
def test_what_means_the_same_is_the_same_word(text: str, question: str) -> None:
    assert set(asked(question)) & set(indexed(text).split())


def test_an_image_carries_the_text_around_it() -> None:
    above = Block("text", "The pump stands in hall seven.", (50, 50, 300, 62))
    far = Block("text", "Nothing to do with it. " * 60, (50, 700, 300, 780))
    image = Block("image", "", (50, 80, 250, 180), "pump.png")
    page = Page(1, [above, far, image], (595, 842))
    parents = chunks.parents([page], {"pump.png": "A pump with a sign"}, paged=True)
    [child] = [one for one in chunks.children(parents, {}) if one.why == "description"][:1]
    assert child.text.startswith("A pump with a sign")
    assert "hall seven" in child.text


def test_a_long_table_keeps_its_head_in_every_part() -> None:
    rows = "\n".join(f"| part {i} | {i * 7} | a remark on it |" for i in range(120))
    table = Block("table", f"| Name | Stock | Remark |\n| --- | --- | --- |\n{rows}")
    parents = chunks.parents([Page(1, [table])], {}, paged=False)
    assert len(parents) > 1
    assert all(one.kind == "table" for one in parents)
    assert all(one.text.startswith("| Name | Stock | Remark |\n| ---") for one in parents)
    joined = "\n".join(one.text for one in parents)
    assert all(f"| part {i} |" in joined for i in range(120))


def test_a_heading_stays_with_the_table_below_it() -> None:
    rows = "\n".join(f"| part {i} | {i * 7} |" for i in range(400))
    page = Page(1, [Block("heading", "## Stock"), Block("table", f"| Name |\n| --- |\n{rows}")])
    parents = chunks.parents([page], {}, paged=False)
    assert len(parents) > 1
    assert all(one.kind == "table" for one in parents)
    assert all(one.text.startswith("## Stock\n\n| Name |") for one in parents)


@pytest.mark.parametrize(
    "text", [". " * 2_000, "=" * 4_000, "a" + " " * 4_000 + "b", "e\u0301\u0301" * 2_000]
)
def test_what_is_no_words_is_cut_too(text: str) -> None:
    made = chunks.windows(text, chunks.CHILD_TOKENS, chunks.OVERLAP_TOKENS)
    assert max(len(one) for one in made) <= chunks.LONGEST_WORD * chunks.CHILD_TOKENS
    assert max(tokens(one) for one in made) <= chunks.CHILD_TOKENS


def test_marks_between_words_cost_nothing() -> None:
    assert tokens("One, two; three: four!") == tokens("One two three four")
    assert tokens("Chapter 1 " + "." * 100) > 90
