"""A seed makes chance repeatable."""

from collections.abc import Sequence

from ..answer import Answer
from ..check import STREAMS_BROKEN, Probe, Suite
from ..faults import Fault, Skip

suite = Suite("seed", ("Chance", "随机性"))

# The most that the API takes: even a model that is sure of itself wavers.
HOT = 2.0
TRIES = 6
SAME_TRIES = 3
# Of all probability: less than the likeliest token has, whatever the vocabulary.
SMALLEST = 1e-5


@suite.contract(
    "same",
    ("The same seed gives the same answer", "相同种子得到相同回答"),
    ("the same text at temperature 2, also streamed", "温度为 2 时文本相同，流式亦然"),
)
async def same(probe: Probe) -> str:
    """Also 0, which is a seed like any other."""
    said = [await _repeated(probe, seed) for seed in (probe.nonces.number(1, 2**31 - 1), 0)]
    return said[0]


async def _repeated(probe: Probe, seed: int) -> str:
    asked = f"Write one line of random words about a {probe.nonces.word()}."
    texts = []
    again = probe.chat if STREAMS_BROKEN in probe.notes else probe.stream
    for ask in (probe.chat, probe.chat, again) if seed else (probe.chat, probe.chat):
        found = await ask(
            asked, optional="a seed", temperature=HOT, top_p=1.0, seed=seed, max_tokens=24
        )
        texts.append(_said(found))
    told = f"seed {seed} gave different answers"
    return _alike(probe, texts, told)


def _alike(probe: Probe, texts: Sequence[str], told: str) -> str:
    """All of them say the same."""
    first = probe.expect(texts[0])
    other = next((text for text in texts if text != first), None)
    if other is not None:
        raise Fault("wrong_answer", told, got=other)
    return first.strip()


def _said(answer: Answer) -> str:
    """Who thinks first may not have come to its answer yet."""
    if not answer.text and not answer.reasoning and answer.finish == "length":
        raise Skip("the model thinks longer than this check waits, and the server does not show it")
    return answer.reasoning + answer.text


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
    texts = [_said(await probe.chat(asked, temperature=0, max_tokens=24)) for _ in range(3)]
    told = "temperature 0 gave different answers"
    return _alike(probe, texts, told)


@suite.behaviour(
    "chance",
    ("A high temperature gives different answers", "高温度得到不同回答"),
    (f"not {TRIES} times the same text at temperature 2", f"温度为 2 时 {TRIES} 次文本不全相同"),
    rounds=3,
    mark=0.3,
)
async def chance(probe: Probe) -> str:
    return await _varied(probe, [None] * TRIES, "temperature 2")


@suite.behaviour(
    "others",
    ("Other seeds give other answers", "不同种子得到不同回答"),
    (f"not {TRIES} times the same text", f"{TRIES} 次文本不全相同"),
    rounds=2,
    mark=0.5,
)
async def others(probe: Probe) -> str:
    return await _varied(probe, list(range(1, TRIES + 1)), "a seed")


async def _varied(probe: Probe, seeds: Sequence[int | None], optional: str) -> str:
    asked = _vague(probe)
    texts = set()
    for seed in seeds:
        found = await probe.chat(
            asked, optional=optional, temperature=HOT, top_p=1.0, seed=seed, max_tokens=24
        )
        texts.add(_said(found))
        if len(texts) > 1:
            return f"{len(texts)} different texts"
    told = f"{TRIES} answers at temperature 2 are all the same"
    raise Fault("wrong_answer", told, got=texts.pop())


@suite.behaviour(
    "narrow",
    ("The smallest top_p leaves nothing to chance", "极小的 top_p 没有随机性"),
    (f"{SAME_TRIES} times the same text at temperature 2", f"温度为 2 时 {SAME_TRIES} 次文本相同"),
    rounds=2,
    mark=0.5,
)
async def narrow(probe: Probe) -> str:
    asked = _vague(probe)
    texts = []
    for _ in range(SAME_TRIES):
        found = await probe.chat(
            asked, optional="top_p", temperature=HOT, top_p=SMALLEST, max_tokens=16
        )
        texts.append(_said(found))
    told = f"top_p={SMALLEST} gave different answers"
    return _alike(probe, texts, told)
