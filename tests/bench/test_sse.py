"""However the bytes of a stream are cut up on their way, the same events come out."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mlxd.bench.sse import EventReader

lines = st.text(
    st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=40
)
events = st.lists(st.lists(lines, min_size=1, max_size=3), max_size=6)
ends = st.sampled_from(["\n", "\r\n", "\r"])
noise = st.sampled_from(["", ": keep-alive", "event: message", "id: 7", "retry: 10"])


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]


@given(events, ends, noise, st.lists(st.integers(0), max_size=12))
def test_any_cutting_gives_the_same_events(
    wanted: list[list[str]], end: str, between: str, places: list[int]
) -> None:
    text = ""
    for event in wanted:
        text += f"{between}{end}" if between else ""
        text += "".join(f"data: {line}{end}" for line in event) + end
    # With bare CRs the last event is complete only when the next byte shows that no LF follows.
    text += ":" if end == "\r" else ""
    reader = EventReader()
    got = [event for piece in cut(text.encode(), places) for event in reader.feed(piece)]
    assert got == ["\n".join(event).encode() for event in wanted]


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    reader = EventReader()
    for piece in pieces:
        reader.feed(piece)


def test_an_event_without_its_blank_line_is_not_an_event() -> None:
    assert EventReader().feed(b"data: half\n") == []


def test_only_one_space_after_the_colon_is_taken_away() -> None:
    assert EventReader().feed(b"data:  two\n\ndata:none\n\n") == [b" two", b"none"]


def test_a_byte_order_mark_is_skipped_even_in_pieces() -> None:
    reader = EventReader()
    pieces = [b"\xef", b"\xbb", b"\xbfdata: x\n\n"]
    assert [event for piece in pieces for event in reader.feed(piece)] == [b"x"]
