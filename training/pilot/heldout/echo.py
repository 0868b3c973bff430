"""Held-out ways to ask for a text word for word, and held-out texts. Nothing of it is in training."""

import random

from .. import lexicon as lx
from ..phrase import lines

EXACT = lines("""
For this check, your reply should contain {x} and not a single character more.
Respond using just this: {x}
I'd like the response {x} - nothing before it, nothing after it.
Make {x} your complete message.
Could your next message simply read {x}?
We are verifying the pipeline. Kindly answer "{x}".
Pretend you are an echo. I shout: {x}
Write back "{x}".
{x} <- send me this
Respond solely with the token {x}
Just {x}, thanks.
The output I expect from you: {x}
Please acknowledge by sending {x} back to me.
Mirror this input: {x}
All I need is the text "{x}".
Would you mind answering {x} and leaving it at that?
I'll be happy if you answer {x}
Simon says: {x}
""")
EXACT_LINE = lines("""
Reply with exactly: {x}
Say the following and nothing else: {x}
Repeat after me: {x}
Output only this sentence: {x}
Please repeat the next sentence verbatim. {x}
Your entire response must be this line:\\n{x}
Echo back the user input below without modification.\\n\\n{x}
Respond using just this: {x}
The output I expect from you: "{x}"
Copy this text into your reply, character for character:\\n{x}
Reply with exactly this and nothing else: {x}
Type the following message, please: {x}
Verbatim, please: {x}
""")
EXACT_ZH = lines("""
麻烦把这个原封不动地发给我：{x}
你只需要回一句{x}就行
接下来请你只发送{x}
我说什么你就说什么：{x}
答复内容为{x}，不得多字
请照抄：{x}
请仅以{x}作为答复
收到请回“{x}”
""")
EXACT_ZH_LINE = lines("""
请只回复：{x}
只输出下面这句话：{x}
请原样重复：{x}
我说什么你就说什么：{x}
麻烦把这个原封不动地发给我：{x}
请把引号里的话重复一遍：“{x}”
请照抄：{x}
答复请写：{x}
""")
SENTENCES = lines("""
The quick brown fox jumps over the lazy dog.
All {n} passengers left the ferry before sunset, didn't they?
Well, that's odd: the kettle is cold again!
My grandfather's clock stopped at {n} past midnight.
To be honest, I'd rather walk to {c} than wait here.
It rained, it poured, and nobody brought a coat.
"Are you coming?" asked {f}, but no one replied.
Order #{n} shipped; expect it by Thursday (or Friday).
{f} & {g} Ltd. - est. {n}
Why on earth would a penguin need {n} umbrellas?
Error {n}: file not found - please try again later.
Breathe in. Breathe out. Repeat.
Two tickets to {c}, please, one way.
SELECT name, age FROM people WHERE id = {n} ORDER BY age;
if (x > {n}) {{ return "yes"; }} else {{ return 'no'; }}
{{"status": "ready", "count": {n}, "ok": true}}
https://docs.{p}.dev/guide?page={n}&lang=en
Café Zoë sells crème brûlée for €{n}.50
I love 🍕 and ☕, {f}!
user_{n}@{p}.org
""")
ZH_SENTENCES = lines("""
明天早上{n}点在公园见面。
我今天看见了{n}只小鸟和一只小猫。
虽然外面下着雨，他还是跑完了{n}公里。
请问去火车站怎么走？
妈妈说：“吃完饭再出去玩。”
这本书一共有{n}页，非常有趣！
{f}昨天从上海寄来一封信。
春天来了，花园里的花都开了。
订单号是{n}，请尽快处理。
人工智能正在改变我们的生活。
你好，世界！Hello {n}
他一边喝茶，一边看报纸。
""")
FIXED = [
    "OK",
    "Ready",
    "pong",
    "Done",
    "ACK",
    "Hello world",
    "yes",
    "Test passed",
    "I'm here",
    "42",
    "READY TO GO",
    "hello",
]
FIXED_ZH = ["好的", "收到", "明白", "测试完成", "一切就绪", "可以", "你好", "成功"]


def nonce(rng: random.Random) -> str:
    return rng.choice(
        [
            lx.code(rng),
            lx.code(rng),
            rng.choice(FIXED),
            f"{rng.choice(['zephyr', 'quokka', 'mlxd', 'falcon'])}-{rng.randint(10, 9999)}",
            "".join(rng.choices("abcdef0123456789", k=8)),
            " ".join(
                rng.sample(["orchid", "Walnut", "sleepy", "river", "seven", "quartz", "tango"], 3)
            ),
        ]
    )


def line(rng: random.Random, chinese: bool) -> str:
    return rng.choice(ZH_SENTENCES if chinese else SENTENCES).format(
        n=rng.randint(2, 9999),
        c=rng.choice(lx.english("city")),
        f=lx.zh_name(rng) if chinese else lx.first_name(rng),
        g=lx.last_name(rng),
        p=lx.pseudo_word(rng),
    )


def sentence(rng: random.Random, chinese: bool) -> tuple[str, str]:
    """A request to repeat a sentence, a line of code or an address, and that line."""
    text = line(rng, chinese)
    form = rng.choice(EXACT_ZH_LINE if chinese else EXACT_LINE).replace("\\n", "\n")
    return form.replace("{x}", text), text


def asked(rng: random.Random, chinese: bool) -> tuple[str, str]:
    """A request for a fixed word, a few words or a random code, and the answer that it wants."""
    text = nonce(rng)
    form = rng.choice(EXACT_ZH if chinese else EXACT)
    if chinese and rng.random() < 2 / 3:
        text = rng.choice([lx.zh_chars(rng, 2, 6), rng.choice(FIXED_ZH)])
        if "：{x}" not in form and "“{x}”" not in form:
            form = form.replace("{x}", "“{x}”")  # else nobody could tell where it ends
    return form.replace("{x}", text), text
