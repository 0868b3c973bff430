"""A seed makes chance repeatable."""

from ..check import Probe, Suite
from ..faults import Fault

suite = Suite("seed", ("Seeds", "随机种子"))


@suite.contract(
    "same",
    ("The same seed gives the same answer", "相同种子得到相同回答"),
    ("three times the same text at temperature 1", "温度为 1 时三次文本相同"),
)
async def same(probe: Probe) -> str:
    seed = probe.nonces.number(1, 2**31 - 1)
    asked = f"Write one line of random words about a {probe.nonces.word()}."
    texts = []
    for _ in range(3):
        found = await probe.chat(
            asked, optional="a seed", temperature=1.0, top_p=1.0, seed=seed, max_tokens=24
        )
        texts.append(found.text)
    probe.expect(texts[0])
    other = next((text for text in texts if text != texts[0]), None)
    if other is not None:
        raise Fault("wrong_answer", f"seed {seed} gave different answers", got=other)
    return texts[0].strip()
