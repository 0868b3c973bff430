"""It remembers all of a long prompt."""

from ..answer import error_message, read_whole
from ..check import CHAT, Probe, Suite, containing, skip_if_lacking
from ..faults import Skip
from ..nonce import ITEMS

suite = Suite("context", ("Remembers a long prompt", "长上下文记忆"))

# Characters, since every tokenizer counts otherwise: short enough for a context of 2,048 tokens
# where each letter is one.
MOST_CHARACTERS = 1600
LEAST_CHARACTERS = 400
# Of the prompt before the fact, round by round: who forgets the beginning, and who forgets the
# middle, fails two of three.
DEPTHS = (0.0, 1 / 3, 2 / 3)


@suite.behaviour(
    "needle",
    ("A fact from a long prompt", "长提示中的事实"),
    ("the fresh code that stood once in the prompt", "提示中只出现一次的新代码"),
    rounds=3,
    mark=0.6,
)
async def needle(probe: Probe) -> str:
    code = probe.expect(probe.nonces.code())
    item = probe.nonces.choice(ITEMS)
    depth = DEPTHS[(probe.number - 1) % len(DEPTHS)]
    length = MOST_CHARACTERS
    while True:
        lines = _filler(probe, length)
        lines.insert(round(depth * len(lines)), f"The code of the {item} is {code}.")
        asked = f"{' '.join(lines)}\n\nWhat is the code of the {item}? Reply with only the code."
        reply = await probe.send("POST", CHAT, probe.body(asked))
        if reply.status not in (400, 413, 422) or error_message(reply) is None:
            return containing(read_whole(reply), code)
        if length <= LEAST_CHARACTERS:
            skip_if_lacking(reply, "a prompt of this length")
            raise Skip("the server refuses a prompt of this length")
        length //= 2


def _filler(probe: Probe, characters: int) -> list[str]:
    """Sentences without a code, none of them twice."""
    lines: list[str] = []
    while sum(map(len, lines)) < characters:
        one, other = probe.nonces.sample(ITEMS, 2)
        count = probe.nonces.number(2, 99)
        lines.append(f"The {one} from {probe.nonces.word()} stood {count} steps from the {other}.")
    return lines
