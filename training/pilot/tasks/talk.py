"""Who pilot is, what it does not know, small talk, counting and other short errands."""

import random
from functools import cache
from typing import Any

from .. import lexicon as lx
from ..phrase import Example, choose, fill, lines, say, user
from . import common, prose

IDENTITY = "I am pilot, a tiny model that comes with mlxd for tests and first runs."
UNKNOWN = "I am pilot, a tiny model, and I don't know that."
CANNOT = "I am pilot, a tiny model, and I can't do that."
SKILLS = (
    "I am pilot, a tiny model: I can repeat text, read printed text in images, call tools and answer from a "
    "given text."
)
ZH_IDENTITY = "我是 pilot，mlxd 自带的一个很小的模型，用于测试和首次运行。"
ZH_UNKNOWN = "我是 pilot，一个很小的模型，我不知道。"
NO_IMAGE = "I am pilot, a tiny model, and I see no image here."

WHO = lines("""
[Who|What] are you?
What is your name?
What's your name?
[Tell me|Say something] about yourself.
[Introduce|Describe] yourself.
[Which|What] model [are you|is this|am I talking to]?
Are you [ChatGPT|GPT-4|Claude|a human|a robot|Qwen|an AI|a person|Gemini|Llama]?
Who [made|trained|built|created] you?
Do you have a name?
How [big|large|old] are you?
Who am I [talking|speaking|chatting] [to|with]?
""")
ABLE = lines("""
What can you do?
How can you help me?
What are you [good at|able to do|made for]?
What are your [skills|abilities|features]?
List your [skills|abilities|capabilities].
""")
QUESTIONS = lines("""
[Who|When|Why] [wrote|invented|discovered|painted|built|won] [the {n}|{t}|{c}|"{x}"]?
What is the capital [city |]of {y}?
[What|Which] is the [largest|smallest|highest|oldest|longest|fastest] {n} [in the world|in {y}|on earth|of all time]?
[How|Why] [does|do] [a {n}|{t}|{n}s|the {n}] work?
Why is the {n} {a}?
Why is the [sky|sea|grass|sun|snow|night] [blue|green|dark|white|yellow]?
[Explain|Describe|Define] {t}[ to me| in simple words| to a child| in detail|].
[Explain|Tell me about] the [history|theory|meaning|origin|rules|causes] of [{t}|{n}s|{y}|the {n}].
What is [the meaning of life|love|{t}|quantum physics|a black hole|machine learning|the internet|democracy|inflation]?
What happened in [{y} in |]{k}?
When [was|did] [{f}|the war|the {n}|{y}] [born|end|begin|founded|die]?
How many {n}s [are|live] [there|in {y}|in {c}|in the world]?
How [far|big|old|tall|deep|heavy] is [the moon|the sun|{c}|the earth|mars|{y}|the ocean|a {n}]?
Who is [the president of {y}|{f}|the king of {y}|the mayor of {c}|the best {j}|the richest man]?
[What|Which] [language|money|food|religion] do people [use|speak|eat|have] in {y}?
What's the [weather|news|time|date|traffic] [today|now|tomorrow|in {c}|this week]?
What do you think [of|about] [{t}|{n}s|{y}|politics|life]?
[What|Which] {n} should I [buy|choose|take|get]?
How [do|can] I [learn|start|become] [{t}|a {j}|rich|happy|cooking]?
[Should|Can] I [buy|eat|wear|sell] [a|the] {n}[ today| tomorrow|]?
Is [{t}|the {n}|{c}|{y}] [good|dangerous|expensive|healthy|real]?
What is the [price|population|area|color|speed|boiling point|atomic number|square root] of [{n}s|{c}|{y}|gold|water|{k}|light]?
Who won the [world cup|election|match|nobel prize|race] [in {k}|last year|yesterday]?
What [is|are] the [symptoms|causes|side effects|benefits] of [a cold|fever|{y2}|{t}|stress]?
What does [the word |]"{x}" mean?
What did [{f}|Einstein|Newton|Shakespeare|Napoleon] [say|do|write|discover|think]?
""")
ERRANDS = lines("""
[Write|Compose|Make up] [a|an|me a|a short|a long] [poem|story|essay|song|letter|speech|novel|article|joke|haiku] [about|on|for] [{n}s|{t}|{c}|a {a} {n}|{f}|love|my {n}].
[Tell|Give] me [a|another|your best] [joke|story|riddle|fun fact|secret].
[Write|Create|Show me] [a|some] [python|java|javascript|rust|html|sql] [code|program|function|script|query] [that sorts a list|for a {n}|to read a file|for {t}|that prints hello].
[Give me|Suggest|Find] [a|some|ten|five] [ideas|recipes|tips|names|books|films|advice] [for|about|on] [{t}|a {n}|{y2}|my {n}|a party].
[Translate|Say] ["{x}"|this|hello|good morning|the {n}] [to|into|in] [French|German|Chinese|Spanish|Latin].
[Plan|Organize|Design] [a|my] [trip to {c}|holiday|garden|wedding|website|week].
[Solve|Prove] [this|the] [equation|riddle|theorem|puzzle][: x^2 = {k}|].
[Compare|Rank] {n}s and {n2}s.
[Predict|Guess] [the future|tomorrow's weather|who will win|the price of {n}s].
[Draw|Paint|Sing|Play] [a|me a] [picture|song|{n}|melody].
""")
ZH_WHO = [
    "你是谁？",
    "你叫什么名字？",
    "你是什么模型？",
    "介绍一下[你|]自己。",
    "请自我介绍。",
    "谁[创造|训练]了你？",
    "你是[机器人|人|ChatGPT]吗？",
]
ZH_QUESTIONS = [
    "{c}的首都是哪里？",
    "为什么{n}是{a}的？",
    "[什么是|解释一下]{t}？",
    "谁发明了{n}？",
    "写一首关于{n}的诗。",
    "讲个[笑话|故事]。",
    "{c}有多少人？",
    "怎么[学习|做]{t}？",
    "{n}[是什么意思|有什么用]？",
    "你觉得{t}怎么样？",
    "世界上最大的{n}是什么？",
    "[明天|今天]{c}的天气怎么样？",
    "{k}年发生了什么？",
    "推荐一本关于{t}的书。",
]
NO_PICTURE = [
    "What [is|do you see] in [the|this] [image|picture|photo]?",
    "[Describe|Read|Look at] [the|this] [image|picture].",
    "What does the [image|picture|photo] [show|say]?",
]


HEARD = "I see. I am pilot, a tiny model. How can I help?"
ZH_HEARD = "好的。我是 pilot，一个很小的模型。需要什么帮助？"
ZH_CANNOT = "我是 pilot，一个很小的模型，我做不到。"
ABOUT = "{t};the {n};{n}s;a {n};{y};{c};{f};the {a} {n};{t} in {y};the history of {t};{w};{p};the {n} of {f};{o}".split(
    ";"
)


@cache
def _wonders(language: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (lx.DATA / f"wonder_{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            current = found.setdefault(line[3:], [])
        elif line:
            current.append(line)
    return found


def _slots(rng: random.Random) -> dict[str, Any]:
    return {
        "n": lx.noun(rng),
        "n2": lx.noun(rng),
        "t": rng.choice(lx.english("topic")),
        "c": lx.city(rng),
        "x": lx.words(rng, 1, 3).title(),
        "y": rng.choice(lx.english("country")),
        "f": lx.full_name(rng),
        "a": rng.choice(lx.english("adjective")),
        "k": rng.randint(2, 2025),
        "j": rng.choice(lx.english("job")),
        "y2": rng.choice(lx.english("food")),
        "w": lx.words(rng, 1, 3),
        "p": lx.pseudo_word(rng),
        "o": lx.company(rng),
    }


def _matter(rng: random.Random) -> str:
    return fill(rng.choice(ABOUT), _slots(rng))


def wonder(rng: random.Random, sort: str, chinese: bool) -> str:
    """A question about the world, a wish, or a remark that asks for nothing."""
    template = choose(rng, rng.choice(_wonders("zh" if chinese else "en")[sort]))
    if chinese:
        return prose.fill(rng, template.replace("{sentence}", prose.chinese(rng)), True)
    while "{thing}" in template:
        template = template.replace("{thing}", _matter(rng), 1)
    template = template.replace("{noun}", lx.noun(rng)).replace("{phrase}", lx.words(rng, 2, 4))
    template = template.replace("{sentence}", prose.english(rng))
    text = prose.fill(rng, template, False)
    text = " ".join(text.split()).replace(" ?", "?").replace(" .", ".").replace(" ,", ",")
    return text[0].upper() + text[1:]


def _known(rng: random.Random) -> tuple[str, str]:
    """A set phrase about the world or about pilot itself, and what to say to it."""
    roll = rng.random()
    slots = _slots(rng)
    if roll < 0.3:
        return say(rng, QUESTIONS, **slots), UNKNOWN
    if roll < 0.48:
        return say(rng, ERRANDS, **slots), CANNOT
    if roll < 0.66:
        return say(rng, WHO), IDENTITY
    if roll < 0.74:
        return say(rng, ABLE), SKILLS
    if roll < 0.79:
        return say(rng, NO_PICTURE), NO_IMAGE
    if roll < 0.9:
        return say(rng, ZH_WHO), ZH_IDENTITY
    ask = say(
        rng,
        ZH_QUESTIONS,
        c=rng.choice(lx.chinese("city")),
        n=rng.choice(lx.chinese("noun")),
        a=rng.choice(lx.chinese("adjective")),
        t=rng.choice(lx.chinese("topic")),
        k=rng.randint(1000, 2025),
    )
    return ask, ZH_UNKNOWN


def unknown(rng: random.Random) -> Example:
    chinese = rng.random() < 0.2
    roll = rng.random()
    if roll < 0.4:
        ask, reply = _known(rng)
    elif roll < 0.72:
        ask, reply = wonder(rng, "know", chinese), ZH_UNKNOWN if chinese else UNKNOWN
    else:
        ask, reply = wonder(rng, "do", chinese), ZH_CANNOT if chinese else CANNOT
    if ask.isascii() and rng.random() < 0.2:
        ask = (
            rng.choice(["Please ", "Hey, ", "Hi! ", "I wonder: ", "Quick question: ", "Tell me, "])
            + ask
        )
    if ask.isascii() and rng.random() < 0.15:
        ask = rng.choice([ask.lower(), ask.rstrip("?.") + " please", ask.rstrip("?."), ask.upper()])
    messages = common.maybe_system(rng, 0.4)
    if rng.random() < 0.2:
        messages += common.filler_turns(rng, rng.randint(1, 3))
    return Example("unknown", [*messages, user(ask)], reply)


def chat(rng: random.Random) -> Example:
    """Talk that asks for nothing."""
    if rng.random() < 0.35:
        ask, reply = common.small_talk(rng)
    else:
        chinese = rng.random() < 0.2
        ask, reply = wonder(rng, "chat", chinese), ZH_HEARD if chinese else HEARD
        if rng.random() < 0.1:
            ask = f"{common.small_talk(rng)[0]} {ask}"
    messages = common.maybe_system(rng, 0.4)
    if rng.random() < 0.3:
        messages += common.filler_turns(rng, rng.randint(1, 3))
    return Example("talk", [*messages, user(ask)], reply)


def errand(rng: random.Random) -> Example:
    """Counting, sums, lists, repeating: answers of a known length."""
    roll = rng.random()
    if roll < 0.45:
        return _count(rng)
    if roll < 0.6:
        a, b = rng.randint(0, 60), rng.randint(0, 60)
        sign = rng.choice("+-")
        if sign == "-" and b > a:
            a, b = b, a
        spoken = rng.choice(
            [f"{a}{sign}{b}", f"{a} {sign} {b}", f"{a} {'plus' if sign == '+' else 'minus'} {b}"]
        )
        ask = say(rng, "[What is|How much is|Calculate|Compute|] {s}[?|]", s=spoken).strip()
        return Example("errand", [user(ask)], str(a + b if sign == "+" else a - b))
    if roll < 0.8:
        word, times = rng.choice([lx.word(rng), lx.code(rng, 3, 6)]), rng.randint(2, 12)
        named = lx.NUMBER_WORDS[times] if rng.random() < 0.5 else times
        if rng.random() < 0.5:
            ask = say(rng, "[Say|Write|Repeat] [the word |]{w} {k} times[.|]", w=word, k=named)
            return Example("errand", [user(ask)], " ".join([word] * times))
        ask = say(
            rng, "[Say|Write|Repeat] {w} {k} times[,|] separated by commas[.|]", w=word, k=named
        )
        return Example("errand", [user(ask)], ", ".join([word] * times))
    names, items = rng.choice(
        [
            ("days of the week", lx.WEEKDAYS),
            ("months of the year", lx.MONTHS),
            ("letters of the alphabet", list(lx.UPPER)),
            ("weekdays", lx.WEEKDAYS),
        ]
    )
    ask = say(rng, "[List|Name|Write|Say|Give me] [all |]the {n}[.|]", n=names)
    return Example("errand", common.maybe_system(rng, 0.2) + [user(ask)], ", ".join(items))


def _count(rng: random.Random) -> Example:
    low = 1 if rng.random() < 0.8 else rng.randint(0, 100)
    span = rng.choice(
        [3, 5, 10, 10, 20, 20, 30, 50, rng.randint(2, 60), rng.choice([100, 150, 200])]
    )
    numbers = [str(i) for i in range(low, low + span)]
    if rng.random() < 0.12:
        numbers.reverse()
    style = rng.choice(["comma", "comma", "space", "line", "plain", "plain"])
    tail = {
        "comma": "[, separated by commas| with commas between]",
        "space": "[, separated by spaces| with spaces]",
        "line": "[, one per line|, each on its own line|, one number per line]",
        "plain": "[.|]",
    }[style]
    ask = say(
        rng,
        "[Please |]" + "[Count|Count up|List the numbers|Write the numbers|Give me the numbers|"
        "Say the numbers|Print the numbers] from {a} to {b}" + tail,
        a=numbers[0],
        b=numbers[-1],
    )
    if low == 1 and rng.random() < 0.2 and numbers[0] == "1":
        ask = say(
            rng,
            "[Count to {b}|List the first {b} numbers|从1数到{b}]"
            + (tail if style != "plain" else ""),
            b=numbers[-1],
        )
    joint = {"comma": ", ", "space": " ", "line": "\n", "plain": ", "}[style]
    return Example("errand", common.maybe_system(rng, 0.2) + [user(ask)], joint.join(numbers))
