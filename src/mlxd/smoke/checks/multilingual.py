"""English, Chinese, and characters of more than one byte."""

from ..check import BROKEN, Probe, Suite, echo, exactly
from ..faults import Fault, Skip
from ..nonce import ITEMS

suite = Suite("multilingual", ("English and Chinese", "中英文"))


@suite.behaviour(
    "english",
    ("An English sentence, word for word", "逐字重复英文句子"),
    ("the sentence", "该句"),
    rounds=2,
    mark=0.5,
)
async def english(probe: Probe) -> str:
    item, count = probe.nonces.choice(ITEMS), probe.nonces.number(2, 99)
    text = probe.expect(f"The {item} from {probe.nonces.word()} stood {count} steps away.")
    return exactly(await probe.chat(echo(text)), text)


@suite.behaviour(
    "chinese",
    ("A Chinese sentence, word for word", "逐字重复中文句子"),
    ("the sentence", "该句"),
    rounds=4,
    mark=0.5,
)
async def chinese(probe: Probe) -> str:
    count = probe.nonces.number(2, 99)
    sentences = (f"明天早上{count}点在公园见面。", f"我今天看见了{count}只小鸟和一只小猫。")
    text = probe.expect(sentences[probe.number % 2])
    return exactly(await probe.chat(f"请只回复：{text}"), text)


@suite.contract(
    "stream",
    ("Characters stay whole in a stream", "流式输出中字符不被截断"),
    ("the same characters as in a whole answer", "与非流式字符一致"),
)
async def stream(probe: Probe) -> str:
    asked = echo(f"你好，世界！🎉 {probe.nonces.code()}\n\n明天见 ñéü 🚀")
    whole = await probe.chat(asked, temperature=0)
    streamed = await probe.stream(asked, temperature=0)
    if BROKEN in streamed.text and BROKEN not in whole.text:
        raise Fault("wire_format", "characters are broken in the stream", got=streamed.text)
    if streamed.text != whole.text:
        told = "the streamed text is not that of the whole answer"
        raise Fault("wire_format", told, got=streamed.text)
    return streamed.text


@suite.contract(
    "line-ends",
    ("A line end of two characters stays one", "双字符换行保持原样"),
    ("CR and LF, where the model says both", "模型输出 CR 与 LF 时两者俱在"),
)
async def line_ends(probe: Probe) -> str:
    """A model may well make one character of the two. Whether it did, a stop sequence shows: it
    looks at what the model says, before it is sent."""
    asked = echo(f"{probe.nonces.code()}\r\n{probe.nonces.code()}")
    whole = await probe.chat(asked, temperature=0)
    if "\r" in whole.text:
        return whole.text
    stopped = await probe.chat(asked, temperature=0, stop=["\r"])
    if len(stopped.text) < len(whole.text) and whole.text.startswith(stopped.text.rstrip()):
        told = "the model says CR, where it stops if told so, and the answer has none"
        raise Fault("wrong_answer", told, got=whole.text)
    raise Skip("the model says no CR, so whether the server keeps it can't be seen")
