"""Length-prefixed MessagePack over the inherited socket pair: one codec, two ends.

The engine reads with a blocking socket on its own thread; the gateway with asyncio streams. The
end of the stream means that the other side is gone, and nothing else.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator

import msgspec

from .frames import Down, Up

_LENGTH = struct.Struct("<I")
# A frame carries at most one request with its images; anything longer is a broken peer.
MAX_FRAME_BYTES = 512 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()
_down = msgspec.msgpack.Decoder(Down)
_up = msgspec.msgpack.Decoder(Up)


class ChannelClosed(ConnectionError):
    """The other side is gone."""


class BrokenFrame(ValueError):
    """The peer sent something that is no frame."""


def encode(frame: Down | Up) -> bytes:
    body = _encoder.encode(frame)
    if len(body) > MAX_FRAME_BYTES:
        raise BrokenFrame(f"a frame of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


def _length(header: bytes) -> int:
    (length,) = _LENGTH.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise BrokenFrame(f"a frame of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
    return int(length)


class EngineEnd:
    """The engine's end: `frames()` on the reader thread, `send()` from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()

    def frames(self) -> Iterator[Down]:
        """Yield frames until the gateway is gone."""
        with self._sock.makefile("rb", buffering=1 << 16) as stream:
            while True:
                header = stream.read(_LENGTH.size)
                if len(header) < _LENGTH.size:
                    return
                length = _length(header)
                body = stream.read(length)
                if len(body) < length:
                    return
                frame: Down = _down.decode(body)
                yield frame

    def send(self, frame: Up) -> None:
        data = encode(frame)
        with self._lock:
            try:
                self._sock.sendall(data)
            except OSError as error:
                raise ChannelClosed("the gateway is gone") from error


class GatewayEnd:
    """The gateway's end, on its event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, sock: socket.socket) -> "GatewayEnd":
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=1 << 20)
        return cls(reader, writer)

    async def receive(self) -> Up:
        """The next frame; ChannelClosed when the engine is gone."""
        try:
            header = await self._reader.readexactly(_LENGTH.size)
            body = await self._reader.readexactly(_length(header))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ChannelClosed("the engine is gone") from error
        frame: Up = _up.decode(body)
        return frame

    def send(self, frame: Down) -> None:
        """Queue a frame; a dead peer is noticed by `receive`."""
        if not self._writer.is_closing():
            self._writer.write(encode(frame))

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return  # the peer was gone already, which is what closing wants
