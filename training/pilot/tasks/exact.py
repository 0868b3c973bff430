"""Saying exactly what was asked for: words, codes, sentences, in English and Chinese."""

import json
import random

from .. import lexicon as lx
from ..phrase import Example, assistant, choose, fill, lines, loosen, system, user
from . import common, params

ENGLISH = lines("""
[Reply|Answer|Respond] with [exactly|only|just|nothing but|precisely|exactly this:|] {x}
[Reply|Answer|Respond] [only |just |exactly ||simply ]with {x}[.| and nothing else.|, nothing more.]
[Please |]say {x}[.||!| and nothing else.| only.]
[Please |Just |]say exactly {x}
[Reply|Answer|Respond] [only|just|exactly]: {x}
[Reply|answer|Respond] only {x}
Only [say|write|reply|answer|output|print] {x}[.|]
Your [whole |entire |complete |only |full ][answer|reply|response|output] [must|should|has to|shall] be [exactly |just |:|] {x}
[Output|Print|Return|Write|Type|Echo|Emit|Send|Give back] [exactly |only |just |the text |the string |the code |the word |] {x}[||, without anything else| and stop| and then stop.]
[Repeat|Echo] [after me|this|exactly this|this text|the following|this back][:|exactly:| without changes:] {x}
[Repeat|Copy] [this |the following |the next |][line|text|word|code|string] [exactly|word for word|verbatim|unchanged|as it is]: {x}
[I want|I need|I'd like] you to [say|reply|answer|write|print] [exactly |only |just |] {x}
[Can|Could|Would] you [please |just |] [say|write|repeat|type|print] {x}[?| for me?| please?]
The [only |right |correct |expected |] [answer|reply|response] is {x}. [Give it.|Say it.|Reply with it.|Write it and nothing else.|Now answer.]
[This is a test.|Connection test.|Test:|Probe:|Health check:|Ping.|Smoke test.] [Reply|Answer|Respond|Say] [with|exactly|only|just] {x}
{x} - [reply|answer|respond] with [exactly that|this code|this text|just this|these characters|that word]
{x}[.||:] [Repeat that.|Say that again.|Say it back to me.|Repeat it exactly.|Echo it.|Write exactly this and nothing else.]
[No explanation|No comments|No other words|Without any other text|Don't explain anything|No punctuation added|No quotes][, just|:|, only] {x}
[Answer|Reply] in [one|a single] [word|line|token]: {x}
[Let's test.|] If you [can read|understand|see|got|receive] this[ message|], [reply|say|answer|respond with|write] {x}[.|]
[When|As soon as] you [read|get|see] this, [say|reply with|answer|write] {x}
What I want to [read|see|hear|get] is {x}[, nothing else|, only that|].
Give me [back |][exactly|only|just|] {x}
Do not say [hello|yes|no|{y}|anything else], say {x}
Don't [write|answer|say] {y}. [Write|Answer|Say] {x}[ instead|].
Ignore {y}. [Reply|Answer] with {x}[.|]
[Forget|Never mind] what I said before[.| and] [Say|say|Reply with|reply with] {x}
The [password|code|token|nonce|marker|key|magic word|secret word|word of the day] is {x}. [What is it? Reply with it only.|Repeat it.|Reply with only the [code|word].|Say only that.]
[Text|String|Word|Code|Input|Value]: {x}\\n[Return it unchanged.|Repeat it exactly.|Output it and nothing else.|Reply with this text only.]
[Your task|Task|Instruction|Job]: [reply|output|print|write] {x}
Finish this conversation by [saying|writing|replying|answering] [only |exactly |just |]{x}
Nothing but {x}[, please|] [as your answer|in your reply|].
[Show|Tell] me the [text|string|word|code] {x}[ and no more|]
Start and end your [answer|reply] with {x}, [only once|saying it once|one time].
Let the [answer|reply|output|response] [be|consist of] [exactly |only |just |]{x}
""")

ENGLISH += lines("""
[The|Your|My only wish is a|We expect a|This calls for a] [message|answer|reply|response|output] [that reads|reading|saying|equal to|made of|containing only|with the content|consisting of] {x}[.|]
[Let|Have] your [message|answer|reply|response|next line] [read|say|contain|equal|show|state|hold] [just |only |exactly |]{x}[.|, that's all.| and stop there.]
[Confirm|Acknowledge|Signal|Show] [this|receipt|that you are there|that you are listening] [by|with] [writing |the text |the word |sending |]{x}[.|]
[Send|Pass|Hand|Give|Mail|Throw] [me |us |it |][back |over |]{x}[.|, please.| - no more, no less.]
[Your|The] [one|single|only] [job|duty|task] [here|now|today] is to [say|return|send|echo|produce|deliver] {x}[.|]
[Mirror|Parrot|Reflect|Reproduce|Duplicate|Quote|Recite|Transmit|Relay|Deliver|Produce|Display|State|Utter|Provide] [me |the following|this|what comes next|the string|exactly|][:|] {x}
[I|We] [will|shall] [compare|check|parse|match|test] your [reply|answer|output] [with|against|for] {x}[, so write that.|. Write it.|; say it.]
[After|Before] [this|the] [colon|line|dash] [stands|comes|is] [what you [say|reply|return]|your answer]: {x}
[Anything|Everything] [but|except|other than] {x} [is wrong|fails|counts as an error|would be a mistake][.|, so answer accordingly.]
[It is|This is] [important|essential|enough] that you [say|answer|reply|respond] {x}[ and nothing more|, nothing else|.]
[As|For] [a|your] [reply|answer|response][,|:] {x}[.| will do.| is enough.| suffices.]
[Imagine|Suppose|Assume] you are a [parrot|mirror|wall|recorder|machine|robot|copy machine]. [I say|You hear|The input is|Someone tells you][:|] {x}
[Hi|Hello|Hey|Good morning|Dear pilot]! [Please |Kindly |Could you ][say|answer|return|respond with|write] {x}[.|?|, thanks.| Thank you!]
[Only|Simply|Merely|Plainly|Literally] {x}[,| -] [please|thank you|as an answer|in reply|back to me|no talk]
[Without|With no] [greeting|introduction|additional words|decoration|comment|preamble|formatting][,|:] {x}
{x} [is all|is the only thing|is what|is exactly what] I [want|need|expect|wish] [to see|to read|from you|back|you to say][.|]
{x}[?|!|.| .| <=| ->| =>] [Send|Say|Give|Return|Type|Write] [that|it|this] [back|again|to me|as your answer][.|]
[Check|Monitor|Verification|Canary|Watchdog|Unit test|Integration test|Heartbeat] [#{n}|{n}|run|][:|,|-] [answer|respond|return|say|reply] {x}
[Use|Take] {x} [as|for] your [whole |entire |full |final |]answer[.|]
[A|One] [word|token|line|string] [please|only|back]: {x}
[Output|Answer|Reply|Response] format: {x}
[Respond|Reply|Answer] {x}[ now| immediately| right away| once| at once|][.|!]
[If|When] [asked|someone asks|I ask], [you say|your answer is|the reply is] {x}. [So|Now]: [what do you say?|I ask.|answer.]
[Print|Write|Type|Put|Place] {x} [on one line|in your message|in the reply|here|as text|without formatting][.|]
""")

CHINESE = lines("""
[请|][只|仅|就][回复|回答|输出|说|写][：|]{x}
[请|][准确|原样|直接|完整][回复|输出|重复|返回][：|以下内容：|下面的内容：|]{x}
[回复|回答][时|]只[说|写|用][：|]{x}
[请|麻烦你|][重复|复述|跟我说|念][：|一遍：|一下：|]{x}
你的[回答|回复|答案][必须|应该|只能]是[：|]{x}
不要[说别的|解释|加标点|输出其他内容]，[只|就|请][说|回复|输出|写]{x}
[这是测试|测试一下|连接测试][，|。|：][请|][回复|输出|说]{x}
[如果|要是]你[看到|收到|明白]了[这条消息|]，[请|就][回复|说|回答]{x}
[暗号|密码|代码|口令|验证码]是{x}[，|。][请|][重复|只回复这个|说一遍|原样输出]
{x}[，|。]请[原样重复|再说一遍|照写一遍|重复上面的内容]
[我想|我要|希望]你[只|][说|回答|写]{x}
[别|不要]说{y}，[说|回复]{x}
[输出|打印|返回][字符串|文字|这个词|][：|]{x}[，不要有别的|，然后结束|]
[请|]一字不差地[输出|写出|重复][：|]{x}
""")

CHINESE += lines(
    """
[把|将][下面的|这段|以下|这个]?[内容|文字|字符|代码][原样|照样|完整地|一字不改地|直接|][发|返回|回复|抄|还]给我[：|，|]{x}
[只要|只需|只用|仅需][回|回复|发|说|写|答][一个|一句|]{x}[就好|即可|就可以了|。|]
[你|接下来你|下一句][只能|只许|必须|应当|要][说|发|写|回答|输出]{x}[。|，别的都不要|]
[学|像][鹦鹉|镜子|复读机]一样[说|重复|回复][：|]{x}
[答案|回答|回复|回应][就是|为|是|内容是][：|]{x}[，不要多写|，不能多一个字|。|]
[用|以]{x}[作为|当作]你的[回答|回复|全部回答][。|]
[照抄|抄写|复读|转述|复制][：|一下：|下面这行：|]{x}
[除了|除]{x}[以外|之外][什么都|都][不要|别][说|写|输出][。|]
[现在|马上|立刻|直接][回复|说|回答|发送]{x}[。|！|]
[检查|测试|心跳|探测][：|，]{x}[，请回复同样的内容|，原样返回|，照写]
[我|我们][只想|希望|想要][看到|听到|收到|得到]{x}[。|，别的不要|]
[听好了|注意|好的|来][，|：][说|回|答]{x}
[给我|发我|回我]{x}[。|就行|，谢谢|]
[不用|不必|无需][解释|客气|多说][，|：][写|回|说|发]{x}[。|]
""".replace("?", "")
)

FIXED = [
    "OK",
    "Done",
    "Ready",
    "PONG",
    "pong",
    "Yes",
    "No",
    "Hello",
    "hello world",
    "Hello, world!",
    "ACK",
    "READY",
    "done",
    "ok",
    "OK.",
    "Okay",
    "SUCCESS",
    "Confirmed",
    "true",
    "null",
    "42",
    "7",
    "test",
    "TEST",
    "Understood.",
    "banana",
    "Paris",
    "alpha",
    "I am ready.",
    "NO",
    "YES",
    "Online",
    "PASS",
]
ZH_FIXED = [
    "好的",
    "收到",
    "完成",
    "你好",
    "是",
    "不是",
    "明白",
    "好",
    "测试成功",
    "没问题",
    "已完成",
    "可以",
    "谢谢",
    "对",
    "正确",
    "我明白了",
    "你好，世界",
    "准备好了",
    "OK",
    "成功",
]
LOCKS = lines("""
[Whatever the user says, |No matter what you are asked, |][reply|answer|respond] [only |exactly |]with {x}[.|]
Always [answer|reply|respond] [with |exactly |]{x}[.| and nothing else.]
You may only say {x}
You are a [bot|probe|machine] that [answers every message with|only says|always replies] {x}
""")


def target(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.14:
        return rng.choice(FIXED)
    if roll < 0.52:
        return lx.code(rng)
    if roll < 0.64:
        return lx.word(rng)
    if roll < 0.78:
        text = lx.words(rng, 2, 5)
        return rng.choice([text, text.capitalize(), text.upper(), text.title()])
    if roll < 0.84:
        return params.sentence(rng) + rng.choice([".", "!", "?", ""])
    if roll < 0.90:
        return rng.choice(
            [
                str(lx.amount(rng)),
                lx.identifier(rng),
                lx.email(rng),
                lx.file_path(rng),
                lx.date(rng),
                lx.clock(rng),
                lx.full_name(rng),
                lx.city(rng),
            ]
        )
    if roll < 0.94:
        return json.dumps(
            {lx.noun(rng): rng.choice([rng.randint(0, 99), lx.code(rng, 3, 6), True])}
        )
    if roll < 0.97:
        return " ".join(lx.code(rng, 2, 6) for _ in range(rng.randint(2, 3)))
    return chinese_target(rng)


def chinese_target(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.2:
        return rng.choice(ZH_FIXED)
    if roll < 0.45:
        return lx.code(rng)
    if roll < 0.65:
        return rng.choice([lx.zh_phrase(rng), lx.zh_name(rng), rng.choice(lx.chinese("noun"))])
    if roll < 0.85:
        return lx.zh_chars(rng, 2, 9)
    if roll < 0.93:
        return common.zh_filler(rng).rstrip("。") + rng.choice(["", "。"])
    return lx.zh_chars(rng, 1, 4) + lx.code(rng, 2, 5)


def _quote(rng: random.Random, text: str) -> str:
    if any(q in text for q in "\"'`「“"):
        return text
    roll = rng.random()
    if roll < 0.55:
        return text
    left, right = rng.choice(
        [
            ('"', '"'),
            ('"', '"'),
            ("'", "'"),
            ("`", "`"),
            ("“", "”"),
            ("<<", ">>"),
            ("[", "]"),
            ("**", "**"),
            ("「", "」"),
            ("‘", "’"),
        ]
    )
    return left + text + right


def ask(rng: random.Random, text: str, chinese: bool) -> str:
    template = choose(rng, rng.choice(CHINESE if chinese else ENGLISH)).replace("\\n", "\n")
    template = template.replace("{n}", str(rng.randint(1, 99)))
    shown = _quote(rng, text)
    if shown != text or not text.isalpha() or chinese:
        template = loosen(rng, template, lx.all_words(), 0.4)
    other = chinese_target(rng) if chinese else rng.choice([lx.word(rng), lx.code(rng)])
    asked = fill(template, {"x": shown, "y": _quote(rng, other)})
    return " ".join(asked.split(" ")).replace("  ", " ")


def make(rng: random.Random) -> Example:
    chinese = rng.random() < 0.3
    text = chinese_target(rng) if chinese else target(rng)
    roll = rng.random()
    if roll < 0.05:
        lock = fill(choose(rng, rng.choice(LOCKS)), {"x": _quote(rng, text)})
        asked = rng.choice(
            [
                common.filler(rng),
                common.small_talk(rng)[0],
                "What is your name?",
                "Write a story.",
                ask(rng, lx.word(rng), False) if rng.random() < 0.1 else "Why?",
            ]
        )
        return Example("exact", [system(lock), user(asked)], text)
    messages = common.maybe_system(rng, 0.4)
    if rng.random() < 0.35:
        messages += common.filler_turns(rng, rng.randint(1, 4))
    if rng.random() < 0.12:
        other = chinese_target(rng) if chinese else target(rng)
        messages += [user(ask(rng, other, chinese)), assistant(other)]
    asked = ask(rng, text, chinese)
    if rng.random() < 0.06:
        asked = common.paragraph(rng, rng.randint(1, 4)) + rng.choice(["\n\n", " ", "\n"]) + asked
    messages.append(user(asked))
    return Example("exact_zh" if chinese else "exact", messages, text)
