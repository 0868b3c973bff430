"""It sees: pictures that were drawn a moment ago."""

from typing import Any

from ..check import Probe, Suite, exactly
from ..faults import Fault, Skip
from ..pictures import COLOURS, data_url, printed, shape

suite = Suite("vision", ("Sees pictures", "图像理解"))


def _asking(text: str, picture: bytes) -> list[dict[str, Any]]:
    parts = [
        {"type": "image_url", "image_url": {"url": data_url(picture)}},
        {"type": "text", "text": text},
    ]
    return [{"role": "user", "content": parts}]


def about_colour(picture: bytes) -> list[dict[str, Any]]:
    return _asking("What colour is the shape? Answer with one word.", picture)


def _skip_if_blind(probe: Probe) -> None:
    if probe.can("vision") is False:
        raise Skip("the server says that this model does not see")


@suite.behaviour(
    "code",
    ("Read a freshly printed code", "识别图中新印的代码"),
    ("the code in the picture", "图中的代码"),
    rounds=3,
    mark=0.6,
)
async def code(probe: Probe) -> str:
    _skip_if_blind(probe)
    text = probe.expect(probe.nonces.code())
    asked = "Read the text in the picture. Reply with only the text."
    found = await probe.chat(_asking(asked, printed(text)), optional="pictures")
    return exactly(found, text)


@suite.behaviour(
    "colour",
    ("Name the colour of a freshly drawn shape", "说出新画图形的颜色"),
    ("the one right colour", "正确的颜色"),
    rounds=4,
    mark=0.6,
)
async def colour(probe: Probe) -> str:
    _skip_if_blind(probe)
    wanted = probe.expect(tuple(COLOURS)[probe.number % len(COLOURS)])
    found = await probe.either(about_colour(shape(wanted, probe.nonces)), optional="pictures")
    said = found.said()
    if [one for one in COLOURS if one in said.lower()] != [wanted]:
        raise Fault("wrong_answer", f"the shape is {wanted}", got=said)
    return said.strip()
