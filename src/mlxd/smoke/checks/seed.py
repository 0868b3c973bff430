"""A seed makes chance repeatable."""

from ..check import STREAMS_BROKEN, Probe, Suite
from ..faults import Fault

suite = Suite("seed", ("Chance", "随机性"))

# The most that the API takes: even a model that is sure of itself wavers.
HOT = 2.0
TRIES = 6


@suite.contract(
    "same",
    ("The same seed gives the same answer", "相同种子得到相同回答"),
    ("the same text at temperature 2, also streamed", "温度为 2 时文本相同，流式亦然"),
)
async def same(probe: Probe) -> str:
    seed = probe.nonces.number(1, 2**31 - 1)
    asked = f"Write one line of random words about a {probe.nonces.word()}."
    texts = []
    broken = STREAMS_BROKEN in probe.notes
    for ask in (probe.chat, probe.chat, probe.chat if broken else probe.stream):
        found = await ask(
            asked, optional="a seed", temperature=HOT, top_p=1.0, seed=seed, max_tokens=24
        )
        texts.append(found.text)
    probe.expect(texts[0])
    other = next((text for text in texts if text != texts[0]), None)
    if other is not None:
        raise Fault("wrong_answer", f"seed {seed} gave different answers", got=other)
    return texts[0].strip()


def _vague(probe: Probe) -> str:
    """Nothing that any model was trained to answer in one way."""
    words = " ".join(probe.nonces.word() for _ in range(4))
    return f"Write one line of random words about {words} {probe.nonces.code()}."


@suite.behaviour(
    "greedy",
    ("Temperature 0 leaves nothing to chance", "温度为 0 时没有随机性"),
    ("three times the same text", "三次文本相同"),
    rounds=3,
    mark=0.6,
)
async def greedy(probe: Probe) -> str:
    asked = _vague(probe)
    texts = [(await probe.chat(asked, temperature=0, max_tokens=24)).text for _ in range(3)]
    probe.expect(texts[0])
    other = next((text for text in texts if text != texts[0]), None)
    if other is not None:
        raise Fault("wrong_answer", "temperature 0 gave different answers", got=other)
    return texts[0].strip()


@suite.behaviour(
    "chance",
    ("A high temperature gives different answers", "高温度得到不同回答"),
    (f"not {TRIES} times the same text at temperature 2", f"温度为 2 时 {TRIES} 次文本不全相同"),
    rounds=3,
    mark=0.3,
)
async def chance(probe: Probe) -> str:
    asked = _vague(probe)
    texts = set()
    for _ in range(TRIES):
        found = await probe.chat(
            asked, optional="temperature 2", temperature=HOT, top_p=1.0, max_tokens=24
        )
        texts.add(found.text)
        if len(texts) > 1:
            return f"{len(texts)} different texts"
    told = f"{TRIES} answers at temperature 2 are all the same"
    raise Fault("wrong_answer", told, got=texts.pop())
