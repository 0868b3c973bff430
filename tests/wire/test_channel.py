"""The channel carries every frame whole and says clearly when the other side is gone."""

import asyncio
import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlxd.wire import (
    BrokenFrame,
    Cancel,
    ChannelClosed,
    Chat,
    EngineEnd,
    Event,
    GatewayEnd,
    ImagePart,
    Message,
    Step,
    Submit,
    TextPart,
    Usage,
)
from mlxd.wire.channel import MAX_FRAME_BYTES, encode

text = st.text(max_size=200)
counts = st.integers(0, 2**40)
parts = st.one_of(st.builds(TextPart, text), st.builds(ImagePart, st.binary(max_size=300), text))
messages = st.builds(
    Message, st.sampled_from(["system", "user", "assistant", "tool"]), st.lists(parts, max_size=3)
)
submits = st.builds(
    Submit,
    id=st.integers(1, 2**40),
    input=st.builds(Chat, messages=st.lists(messages, max_size=4)),
    resume=st.lists(st.integers(0, 2**31), max_size=50),
)
events = st.builds(
    Event,
    st.integers(1, 2**40),
    st.lists(st.integers(0, 2**31), max_size=5),
    text,
    usage=st.none() | st.builds(Usage, counts, counts),
)


def roundtrip_down(frames: list[Submit]) -> list[object]:
    left, right = socket.socketpair()
    engine = EngineEnd(right)

    def write() -> None:
        with left:
            for frame in frames:
                left.sendall(encode(frame))

    writer = threading.Thread(target=write)
    writer.start()
    with right:
        received: list[object] = list(engine.frames())
    writer.join()
    return received


@given(st.lists(submits, max_size=4))
def test_what_the_gateway_sends_arrives_unchanged(frames: list[Submit]) -> None:
    assert roundtrip_down(frames) == frames


@given(st.lists(st.lists(events, max_size=6).map(Step), min_size=1, max_size=4))
def test_what_the_engine_sends_arrives_unchanged_and_in_order(frames: list[Step]) -> None:
    async def run() -> list[object]:
        left, right = socket.socketpair()
        gateway = await GatewayEnd.open(left)
        engine = EngineEnd(right)
        for frame in frames:
            engine.send(frame)
        received: list[object] = [await gateway.receive() for _ in frames]
        right.close()
        with pytest.raises(ChannelClosed):
            await gateway.receive()
        await gateway.close()
        return received

    assert asyncio.run(run()) == frames


def test_the_engine_reader_ends_when_the_gateway_is_gone_in_the_middle_of_a_frame() -> None:
    left, right = socket.socketpair()
    left.sendall(encode(Cancel(1)) + encode(Cancel(2))[:5])
    left.close()
    with right:
        assert list(EngineEnd(right).frames()) == [Cancel(1)]


def test_sending_to_a_gateway_that_is_gone_says_so() -> None:
    left, right = socket.socketpair()
    left.close()
    with right, pytest.raises(ChannelClosed):
        EngineEnd(right).send(Step([Event(1, text="x" * 1_000_000)]))


def test_a_length_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    left, right = socket.socketpair()
    left.sendall(struct.pack("<I", MAX_FRAME_BYTES + 1))
    with left, right, pytest.raises(BrokenFrame, match="over the limit"):
        list(EngineEnd(right).frames())
