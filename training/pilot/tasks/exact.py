"""Saying exactly what was asked for: words, codes, sentences, in English and Chinese."""

import random
from collections.abc import Callable

from .. import lexicon as lx
from ..phrase import Example, assistant, choose, fill, lines, loosen, say, system, user
from . import bare, common, echo, prose

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
    *"""ok;okay;Okay;OK!;DONE;done;PING;Pong;PONG!;HELLO;hello;Hi;hi;yes;no;Yes.;TRUE;True;False;FALSE;None;none;NULL;0;1;123;
12345;3.14;-1;100%;A;B;C;x;success;SUCCESS;Success;FAIL;failed;ERROR;error;ready;Ready.;START;STOP;stop;end;END;Bye;bye;
Thanks;thank you;Thank you!;Hello!;Hello World!;HELLO WORLD;Hello there;hello, world;test passed;Test passed.;All systems go;
I am alive;It works;It works!;Works;Working;System ready;Connection OK;Connected;connected;Acknowledged;acknowledged;Received;
roger;Roger that;Copy that;Over and out;Confirmed;confirmed;Understood;Affirmative;Negative;Correct;I agree;I understand.;
Server is running;Health check passed;status: ok;STATUS_OK;code 200;200 OK;404;foo;bar;foo bar;foobar;FooBar;lorem ipsum;abc;
ABC;abc123;XYZ;x1;a-b-c;test-1;TEST_OK;smoke test;SMOKE;apple;Apple;blue;Blue;red;cat;dog;sun;moon;tree;water;fire;Berlin;
Tokyo;London;New York;Monday;January;2024;2025-01-01;seven;forty-two;one two three;1 2 3;1, 2, 3;a, b, c;[DONE];<end>;{};[];
hello@example.com;https://example.com;C:\\temp;/tmp/test;~;?;!;...;:);¯;✓;你好;OK 好的""".replace(
        "\n", ""
    ).split(";"),
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
    *"好;好的。;行;嗯;在;在的;我在;到;有;没有;不;不对;错;真;假;是的;是的。;不是。;确定;确认;已确认;取消;继续;停止;开始;结束;成功！;失败;错误;通过;"
    "测试;测试通过;测试完成。;连接成功;连接正常;服务正常;运行正常;一切正常;系统正常;正常;健康;就绪;已就绪;已收到;收到！;收到。;明白了;知道了;懂了;"
    "了解;清楚;同意;不同意;谢谢！;感谢;再见;你好！;您好;大家好;早上好;晚上好;晚安;世界;你好世界;中国;北京;上海;苹果;香蕉;猫;狗;水;火;山;太阳;月亮;"
    "一;二;三;一二三;零;十;红色;蓝色;星期一;一月;今天;明天;我准备好了;我准备好了。;没问题！;完成。;已完成。;好的，明白;好的，收到;任务完成;加油;欢迎".split(
        ";"
    ),
    *"""ok;okay;Okay;OK!;DONE;done;PING;Pong;PONG!;HELLO;hello;Hi;hi;yes;no;Yes.;TRUE;True;False;FALSE;None;none;NULL;0;1;123;
12345;3.14;-1;100%;A;B;C;x;success;SUCCESS;Success;FAIL;failed;ERROR;error;ready;Ready.;START;STOP;stop;end;END;Bye;bye;
Thanks;thank you;Thank you!;Hello!;Hello World!;HELLO WORLD;Hello there;hello, world;test passed;Test passed.;All systems go;
I am alive;It works;It works!;Works;Working;System ready;Connection OK;Connected;connected;Acknowledged;acknowledged;Received;
roger;Roger that;Copy that;Over and out;Confirmed;confirmed;Understood;Affirmative;Negative;Correct;I agree;I understand.;
Server is running;Health check passed;status: ok;STATUS_OK;code 200;200 OK;404;foo;bar;foo bar;foobar;FooBar;lorem ipsum;abc;
ABC;abc123;XYZ;x1;a-b-c;test-1;TEST_OK;smoke test;SMOKE;apple;Apple;blue;Blue;red;cat;dog;sun;moon;tree;water;fire;Berlin;
Tokyo;London;New York;Monday;January;2024;2025-01-01;seven;forty-two;one two three;1 2 3;1, 2, 3;a, b, c;[DONE];<end>;{};[];
hello@example.com;https://example.com;C:\\temp;/tmp/test;~;?;!;...;:);¯;✓;你好;OK 好的""".replace(
        "\n", ""
    ).split(";"),
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
ECHOES = lines("""
[You are an echo|You are an echo server|You are a parrot|Echo mode is on]. [Repeat|Return|Send back] [every message|what the user writes|each message of the user|the user's words] [unchanged|exactly|verbatim|word for word].
[Repeat|Copy|Echo] [the user's message|everything that the user says|the user's input|whatever is written] [exactly|word for word|verbatim|unchanged|without comment].
[Whatever|Anything] the user [says|writes|sends], [answer|reply|respond] with [exactly the same|the very same text|the same words].
[你是复读机|你是回声]，[原样|一字不差地]重复用户的话。
""")
LOCKS = lines("""
[Whatever the user says, |No matter what you are asked, |][reply|answer|respond] [only |exactly |]with {x}[.|]
Always [answer|reply|respond] [with |exactly |]{x}[.| and nothing else.]
You may only say {x}
You are a [bot|probe|machine] that [answers every message with|only says|always replies] {x}
""")


LINES: list[tuple[float, Callable[[random.Random], str]]] = [
    (9, lambda r: r.choice(FIXED)),
    (20, lx.code),
    (
        9,
        lambda r: r.choice(
            [
                lx.identifier,
                lx.email,
                lx.file_path,
                lx.date,
                lx.clock,
                lx.full_name,
                lx.city,
                lx.url,
                lx.phone,
                lx.company,
            ]
        )(r),
    ),
    (4, prose.numbers),
    (8, lx.word),
    (11, lambda r: r.choice([str, str.capitalize, str.upper, str.title])(lx.words(r, 2, 5))),
    (13, echo.sentence),
    (11, prose.ornate),
    (9, prose.punctuated),
    (5, prose.spoken),
    (9, prose.again),
    (4, prose.several),
    (3, bare.fragments),
    (3, bare.repeated),
    (4, bare.words),
    (4, bare.polite),
    (3, bare.short),
    (11, prose.salad),
    (4, prose.program),
    (3, prose.address),
    (3, prose.record),
    (3, prose.mixed),
    (1, prose.lists),
    (2, lambda r: " ".join(lx.code(r, 2, 6) for _ in range(r.randint(2, 4)))),
    (2, lambda r: r.choice(prose.EMOJI) * r.randint(1, 3)),
    (4, lambda r: chinese_target(r)),
]
ZH_LINES: list[tuple[float, Callable[[random.Random], str]]] = [
    (10, lambda r: r.choice(ZH_FIXED)),
    (14, lx.code),
    (17, lambda r: r.choice([lx.zh_phrase, lx.zh_name, lambda q: q.choice(lx.chinese("noun"))])(r)),
    (16, lambda r: lx.zh_chars(r, 2, 9)),
    (17, prose.chinese),
    (11, prose.zh_ornate),
    (10, prose.zh_again),
    (3, lambda r: prose.chinese(r) + prose.chinese(r)),
    (10, prose.zh_salad),
    (2, lambda r: lx.zh_chars(r, 1, 4) + lx.code(r, 2, 5)),
    (3, prose.mixed),
    (2, prose.numbers),
    (2, lx.word),
    (4, lambda r: r.choice(FIXED)),
    (3, echo.sentence),
    (1, prose.record),
    (1, lambda r: r.choice(prose.EMOJI) + r.choice(ZH_FIXED)),
]


def target(rng: random.Random) -> str:
    return rng.choices(LINES, [w for w, _ in LINES])[0][1](rng)


def chinese_target(rng: random.Random) -> str:
    return rng.choices(ZH_LINES, [w for w, _ in ZH_LINES])[0][1](rng)


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
            ("「", "」"),
            ("‘", "’"),
        ]
    )
    return left + text + right


def ask(rng: random.Random, text: str, chinese: bool) -> str:
    if rng.random() < 0.8:
        return (echo.chinese if chinese else echo.english)(rng, text)
    if echo.shape(text) in ("line", "block") and not chinese:
        return echo.english(rng, text)
    template = choose(rng, rng.choice(CHINESE if chinese else ENGLISH)).replace("\\n", "\n")
    template = template.replace("{n}", str(rng.randint(1, 99)))
    shown = _quote(rng, text)
    if shown != text or not text.isalpha() or chinese:
        template = loosen(rng, template, lx.all_words(), 0.4)
    other = rng.choice(
        [lx.zh_phrase(rng), lx.code(rng)] if chinese else [lx.word(rng), lx.code(rng)]
    )
    return fill(template, {"x": shown, "y": _quote(rng, other)}).strip()


def _lock(rng: random.Random, text: str) -> Example:
    """The rule stands in the system prompt: say one thing, or everything that the user says."""
    if rng.random() < 0.5:
        rule = say(rng, ECHOES)
        return Example("exact", [system(rule), user(text)], text)
    lock = fill(choose(rng, rng.choice(LOCKS)), {"x": _quote(rng, text)})
    asked = rng.choice(
        [
            common.filler(rng),
            common.small_talk(rng)[0],
            "What is your name?",
            prose.english(rng),
            "Write a story.",
            "Why?",
        ]
    )
    return Example("exact", [system(lock), user(asked)], text)


def make_bare(rng: random.Random) -> Example:
    """Nothing marks where the text begins and ends but the sense of the request."""
    if rng.random() < 0.72:
        text = bare.target(rng, FIXED)
        asked = bare.within(rng, text)
    else:
        text = bare.line(rng)
        asked = bare.after_stop(rng, text)
    messages = common.maybe_system(rng, 0.3)
    if rng.random() < 0.25:
        messages += common.filler_turns(rng, rng.randint(1, 3))
    return Example("exact", [*messages, user(asked)], text)


def make(rng: random.Random) -> Example:
    chinese = rng.random() < 0.33
    text = (chinese_target(rng) if chinese else target(rng)).strip()
    if rng.random() < 0.05 and echo.shape(text) != "block":
        return _lock(rng, text)
    messages = common.maybe_system(rng, 0.4)
    if rng.random() < 0.35:
        messages += common.filler_turns(rng, rng.randint(1, 4))
    for _ in range(rng.choice([1, 1, 2]) if rng.random() < 0.14 else 0):
        other = chinese_target(rng) if chinese else target(rng)
        messages += [user(ask(rng, other, chinese)), assistant(other)]
    asked = ask(rng, text, chinese != (rng.random() < 0.04))
    if rng.random() < 0.06:
        asked = common.paragraph(rng, rng.randint(1, 4)) + rng.choice(["\n\n", " ", "\n"]) + asked
    messages.append(user(asked))
    return Example("exact_zh" if chinese else "exact", messages, text)
