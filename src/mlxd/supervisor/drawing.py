"""A picture drawn just now, as a PNG file. Written by hand: the gateway loads no imaging library
for the few that it ever draws."""

import random
import struct
import zlib

COLOURS = {
    "red": (214, 30, 38),
    "green": (24, 150, 60),
    "blue": (30, 70, 210),
    "yellow": (245, 210, 30),
}
SIDE = 128
WHITE = b"\xff\xff\xff"


def shape(colour: str, dice: random.Random) -> bytes:
    """A disc or a square of that colour somewhere on white."""
    size = dice.randint(40, 70)
    left, top = (dice.randint(10, SIDE - 10 - size) for _ in range(2))
    is_disc = dice.random() < 0.5
    paint = bytes(COLOURS[colour])
    rows = []
    for y in range(SIDE):
        inside = [_inside(x - left, y - top, size, is_disc) for x in range(SIDE)]
        rows.append(b"\x00" + b"".join(paint if one else WHITE for one in inside))
    return _png(b"".join(rows))


def _inside(x: int, y: int, size: int, is_disc: bool) -> bool:
    if is_disc:
        return (2 * x - size) ** 2 + (2 * y - size) ** 2 <= size**2
    return 0 <= x < size and 0 <= y < size


def _png(scanlines: bytes) -> bytes:
    # 8 bits a channel, RGB, not interlaced.
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(scanlines)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
