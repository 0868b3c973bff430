"""A tool's result is back: the answer that reports it, or only the value in it."""

import random

from .. import chat
from .. import lexicon as lx
from ..phrase import Example, assistant, choose, loosen, user
from . import common, results, toolcall


def make_loop(rng: random.Random) -> Example:
    """The result is back: answer with it."""
    made = toolcall.scene(rng)
    content, report = results.result(rng)
    messages = common.maybe_system(rng)
    messages += [
        user(made.request),
        chat.tool_call_message(made.calls),
        {"role": "tool", "content": content},
    ]
    if rng.random() < 0.12:
        more, arguments = made.again()
        messages += [assistant(report), user(more)]
        return Example(
            "call",
            messages,
            toolcall.calls_text([(made.calls[0][0], arguments)]),
            made.tools,
            {"calls": [(made.calls[0][0], arguments)]},
        )
    return Example("loop", messages, report, made.tools)


def make_two_loop(rng: random.Random) -> Example:
    """Two results at once, reported in their order."""
    made = (toolcall.shared_slot(rng) if rng.random() < 0.5 else None) or toolcall.two_calls(rng)
    if len(made.calls) < 2:
        return make_loop(rng)
    messages = common.maybe_system(rng, 0.3)
    messages += [user(made.request), chat.tool_call_message(made.calls)]
    reports = []
    for _ in made.calls:
        content, report = results.result(rng)
        messages.append({"role": "tool", "content": content})
        reports.append(report)
    return Example("loop", messages, "\n".join(reports), made.tools)


ASK_KEY = [
    "What is the {k}?",
    "Tell me the {k}.",
    "Give me the {k}.",
    "[And |]the {k}?",
    "I need the {k}.",
    "Which {k} [did you get|was it|came back]?",
    "What does it say for {k}?",
    "Read me the {k}.",
    "[I'm interested in|I care about|I'm after|Let me know|Report|Show|Return|Extract|Pick out] the {k}.",
    "[Look at|Take|Use] the [field|key|entry|property] {k}[ of the result| in the answer|].",
    "How [does|did] the {k} [look|come out|turn out]?",
    "Only the [value of|field] {k} [matters|counts|is needed].",
    "[Say|Write|Output|Print] the [value of the|] {k}.",
]
ASK_ONLY = [
    "",
    " Answer with only the value.",
    " Reply with [just|only] the value.",
    " Only the {k}, nothing else.",
    " [Answer|Reply|Respond] only with [it|the {k}|that value|the result].",
    " No other words.",
    " Just the value[.|, please.]",
    " Value only.",
    " [No|Without a|Not a] [sentence|text|explanation|comment] [around it|please|].",
    " [Bare|Plain|Naked|Raw] value.",
    " [The|A] [plain|raw|bare] [value|number|text] [is fine|will do|suffices|only].",
    " [One|A single] [word|value|token][.| only.]",
    " Nothing [before|after|around|more].",
]
ASK_WHOLE = [
    "[Answer|Reply|Respond] with only [the value|the result|what the tool returned|the tool's answer].",
    "[Answer|Reply] with [exactly |only |just ]the [value|result|output][ of the tool| that the tool returned|].",
    "Only give me the [result|value], nothing else.",
    "Repeat the [value|result|tool's answer] exactly.",
    "Tell me [only |just |]what the tool says.",
    "Return just the [value|number|code|result].",
    "Output the tool's [result|value|answer] and nothing else.",
    "只回答工具返回的[值|内容|结果]。",
    "[请|]只[回复|输出]结果。",
    "[Pass|Hand|Give] [on|back|me] [the|its] [raw |exact |plain |bare |][result|output|reply|value].",
    "[Copy|Quote|Echo|Relay|Forward|Report] [the|its|the tool's] [result|output|reply|value|answer] [word for word|unchanged|exactly|as it is|literally].",
    "[What comes back|What it returns|The returned text|The tool's reply] is [all I want|your answer|what I want to see|the answer][.|, nothing more.|, no comment.]",
    "[I|We] [need|expect|want] [the|a] [raw|bare|plain|exact] [value|result|output][, no sentence|, no comment|].",
    "[No|Without] [sentence|comment|explanation|words of your own][, just|; only|:] the [result|value|output].",
    "Your [answer|message|reply] [is|must be|equals|should equal] the [tool's|returned] [value|result|output][.|, alone.]",
]


def make_role(rng: random.Random) -> Example:
    """Answer only the value that the tool message carries."""
    made = toolcall.scene(rng)
    if rng.random() < 0.45:
        value = rng.choice(
            [
                str(lx.amount(rng)),
                lx.code(rng),
                lx.code(rng),
                lx.words(rng, 1, 3),
                lx.noun(rng),
                lx.identifier(rng),
                lx.full_name(rng),
                lx.zh_chars(rng),
                str(rng.randint(0, 10**6)),
            ]
        )
        roll = rng.random()
        if roll < 0.7:
            content = value
        elif roll < 0.9:
            content = results.dump(
                rng,
                {
                    rng.choice(
                        ["result", "value", "output", "answer", rng.choice(results.KEYS)]
                    ): value
                },
            )
        else:
            content = (
                rng.choice(["Result: ", "Value: ", "The result is ", "Answer: ", "OK: "]) + value
            )
        question = loosen(rng, choose(rng, rng.choice(ASK_WHOLE)), lx.all_words())
    else:
        data = results.record(rng, 2, rng.choice([5, 6, 9]))
        key = rng.choice(list(data))
        value, content = results.plain(data[key]), results.dump(rng, data)
        if rng.random() < 0.2:
            content = results.dump(rng, {rng.choice(["result", "data", lx.noun(rng)]): data})
        elif rng.random() < 0.15:
            content = "\n".join(f"{k}: {results.plain(v)}" for k, v in data.items())
        spoken = (
            key.replace("_", " ")
            if rng.random() < 0.7
            else rng.choice([key, f'"{key}"', f"`{key}`"])
        )
        asked = choose(rng, rng.choice(ASK_KEY) + rng.choice(ASK_ONLY))
        if rng.random() < 0.2:
            asked = choose(
                rng,
                "[Your|The|My] [reply|answer|message|wish|output]: [only |just |] the {k}"
                + rng.choice(ASK_ONLY),
            )
        question = loosen(rng, asked, lx.all_words()).replace("{k}", spoken)
    call = chat.tool_call_message(made.calls)
    answer_turn = {"role": "tool", "content": content}
    roll = rng.random()
    messages = common.maybe_system(rng, 0.35)
    if roll < 0.6:
        messages += [user(f"{made.request} {question}"), call, answer_turn]
    elif roll < 0.72:
        messages = [{"role": "system", "content": question}, user(made.request), call, answer_turn]
    elif roll < 0.86:
        messages += [user(made.request), call, answer_turn, user(question)]
    else:
        messages += [user(question), call, answer_turn]
    return Example("role", messages, value, made.tools if rng.random() < 0.7 else None)
