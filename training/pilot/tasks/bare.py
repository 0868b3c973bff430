"""A text to be repeated that stands in the middle of a request with no mark around it, or after a full stop."""

import random

from .. import lexicon as lx
from ..phrase import choose, lines, loosen
from . import prose

BEGINNINGS = """I'm,I am,we're,we are,it's,it is,they're,you're,he's,she's,that's,there's,here's,what's,don't,can't,won't,didn't,isn't,
let's,I'll,we'll,you'll,I've,we've,I'd,nobody's,who's,no,not,all,still,never,already,almost,just,so,too""".replace(
    "\n", ""
).split(",")
ENDS = """ready,here,done,fine,back,late,home,gone,sure,right,wrong,open,closed,alive,awake,busy,free,good,bad,lost,found,up,down,in,out,
over,there,well,okay,full,empty,safe,clear,live,online,set,go,true,false,next,first,last,now,soon,yours,mine""".replace(
    "\n", ""
).split(",")


def _cased(rng: random.Random, word: str) -> str:
    roll = rng.random()
    return word if roll < 0.62 else word.capitalize() if roll < 0.9 else word.upper()


def words(rng: random.Random) -> str:
    """Words that do not belong together, each with its own case."""
    count = rng.choice([2, 2, 3, 3, 3, 4, 5])
    draws = [
        lx.noun,
        lambda r: r.choice(lx.all_words()),
        lambda r: r.choice(lx.english("adjective")),
        lx.pseudo_word,
    ]
    some = [draws[rng.choice([0, 0, 1, 1, 1, 2, 3])](rng) for _ in range(count)]
    if rng.random() < 0.12:
        some.insert(rng.randint(0, count), str(rng.randint(1, 99)))
    return " ".join(_cased(rng, w) for w in some)


def short(rng: random.Random) -> str:
    """I'm here; we're all set; not yet."""
    first, last = rng.choice(BEGINNINGS), rng.choice([*ENDS, lx.noun(rng)])
    middle = rng.choice(["", "", "", "all ", "not ", "almost ", "really ", "just "])
    out = f"{first} {middle}{last}"
    roll = rng.random()
    return out[0].upper() + out[1:] if roll < 0.4 else out.upper() if roll < 0.45 else out


def fragments(rng: random.Random) -> str:
    """Come in. Sit down. Wait!"""
    made = []
    for _ in range(rng.choice([2, 3, 3, 4])):
        verb = rng.choice(lx.VERBS)[1]
        more = rng.choice(
            ["", "", f" the {lx.noun(rng)}", f" {rng.choice(ENDS)}", f" {rng.choice(ENDS)}"]
        )
        made.append(verb.capitalize() + more + rng.choice(["."] * 6 + ["!", "?", "…"]))
    return " ".join(made)


def repeated(rng: random.Random) -> str:
    """Two of a kind with other ends, so that it matters which one is copied."""
    kind, link = lx.noun(rng), rng.choice([" and ", ", ", " or ", " but ", " then "])
    one, two = (
        f"{rng.choice(['a', 'the', 'my', 'one', str(rng.randint(2, 99))])} "
        f"{rng.choice(lx.english('adjective'))} {rng.choice([kind, kind, lx.noun(rng)])}"
        for _ in range(2)
    )
    head = rng.choice(["I see", "We have", "She drew", "Take", "There were", "You need", "It was"])
    return f"{head} {one}{link}{two}{rng.choice(['.', '!', '?', ''])}"


HEADS = lines("""
[just|only|simply|merely|nothing but|no more than|plain|exactly|literally|once more|again] {x}
[go with|use|choose|take|pick|keep|leave|put|treat|consider|file|post|drop|enter|set down|shout|whisper|sing] {x}
[hand|grant|spare|lend|bring|serve|show|tell|offer] [me|us] {x}
[let me|let us] [have|see|hear|read] {x}
[I'd|I would|we'd|we would] [like|love|prefer] [to see |to read |to hear |to get |] {x}
[I'd|we'd] [welcome|appreciate|enjoy|take] {x}
[all|everything|the only thing] [we|I] [want|expect|wish for|ask for|hope for|require] is {x}
it would [help|please me|be nice|be enough|be kind|be great] if you [said|wrote|typed|sent|answered|replied|printed|put] {x}
[I|we] [hope|trust|suppose|expect|know] that you [say|write|type|send|answer|reply|print] {x}
[you may|you can|you could|you should|you might] [as well|now|simply|just|] [say|write|type|send|answer|reply|print] {x}
[I am|I'd be|we are|we'd be|everyone is] [glad|pleased|grateful|content|satisfied] [if|when|once] you [say|write|type|send|reply|print] {x}
how about [saying|writing|typing|sending|answering|replying|printing] {x}
[confirm|prove|signal|show] [it|that you are there|that you are awake|that it works|that you got this] by [saying|writing|typing|posting|answering|replying|printing|giving] {x}
[do me a favour|be so kind|help us] [and|to] [say|write|type|send|reply|print] {x}
[feel free to|don't hesitate to|try to|remember to|be sure to|go ahead and] [say|write|type|send|reply|print|answer] {x}
[a|the] [plain|simple|single|bare|short] {x}
[turn|make|shape] [your next line|the rest|this turn] into {x}
[what about|I vote for|I opt for|it's time for|we are down to] {x}
[make it|let it be|it should be|it must be|have it be] {x}
[make|let|have|keep] {x} [be|become|stand|serve]
[read|spell|speak] [out|back|aloud|up] {x}
""")
TAILS = lines("""
as [your|the|an|my|our] [answer|reply|response|output|result|whole text|complete answer|full reply|only line|entire output]
for [an answer|a reply|your whole reply|your response|the record|this test|me|us]
[in return|in reply|in response|back|right back|back to us|back to this chat|to us|to me|here|now|at once|right now]
[thanks|thank you|please|cheers|if you please|many thanks|and thanks]
[and|then] [stop|that's it|that's all|nothing more|no more|leave|be silent|leave the rest|finish|rest]
[that's all|that will do|that's enough|nothing more|no more|no less|full stop|end of story|period]
[if you can|if you would|if you don't mind|if that's all right|when you are ready|as soon as you can]
[and I'm|and we're|then I'm|then we're] [glad|happy|content|satisfied|done|off]
[without|with no] [more|ado|comment|quotes|a greeting|anything else|further words]
[rather than|instead of] [an essay|a speech|a story|talking|anything longer]
""")
NEXT = lines("""
[say|write|type|repeat|print|copy|echo|quote|give back|read back|output|send back|recite|reproduce|type out|write down] the [following|next|coming|subsequent] [sentence|line|text|words|remark|statement|message|string|input|characters] {h}.
[the|what] [following|next] [sentence|line|text|remark|words] [is|are] [your answer|what I want back|to be repeated|what you say|to be copied] {h}.
[your answer|your reply|the reply] is the [following|next|coming] [sentence|line|text] {h}.
[after|behind] this [full stop|sentence|period] comes what you [repeat|say|write|copy] {h}.
[copy|repeat|say|write] what comes next {h}.
[what follows|what comes now|the rest of this message] is [your answer|to be copied|what you repeat] {h}.
""")
HOW = [
    "",
    "",
    "",
    "exactly",
    "as it is",
    "word for word",
    "without changes",
    "unchanged",
    "to me",
    "please",
    "letter by letter",
    "and stop",
    "and nothing else",
    "literally",
    "in full",
    "one to one",
]


def _salted(rng: random.Random, text: str, rate: float) -> str:
    text = " ".join(text.split())
    return text if "'" in text else loosen(rng, text, lx.all_words(), rate)


def within(rng: random.Random, text: str) -> str:
    """The text between the beginning of a request and its end, with nothing around it."""
    form = _salted(rng, choose(rng, rng.choice(HEADS)), 0.1)
    tail = " ".join(choose(rng, rng.choice(TAILS)).split()) if rng.random() < 0.72 else ""
    if rng.random() < 0.2 and tail:
        tail += rng.choice([", ", " "]) + " ".join(choose(rng, rng.choice(TAILS)).split())
    joint = rng.choice([" ", " ", " ", ", ", ", ", " - "])
    pre = rng.choice(["", "", "", "please ", "now ", "kindly ", "hello, ", "ok, ", "so ", "well, "])
    out = pre + form + (joint + tail if tail else "")
    out = out[0].upper() + out[1:] if rng.random() < 0.8 and out[:3] != "{x}" else out
    end = rng.choice(["", ".", ".", ".", "!"]) if tail else rng.choice(["", "", ".", "!"])
    if "{x}" not in out:
        return within(rng, text)
    return (out + end).replace("{x}", text)


def after_stop(rng: random.Random, text: str) -> str:
    """A sentence that announces the text, then the text."""
    out = choose(rng, rng.choice(NEXT)).replace("{h}", rng.choice(HOW))
    out = " ".join(out.split()).replace(" .", ".")
    pre = rng.choice(["", "", "", "please ", "now ", "kindly ", "hello, ", "I ask you: "])
    out = pre + out
    return out[0].upper() + out[1:] + rng.choice([" ", " ", " ", " ", "\n"]) + text


def polite(rng: random.Random) -> str:
    """A sentence whose own end looks like the end of a request: it has to be repeated too."""
    said = prose.english(rng)[:-1]
    tail = " ".join(choose(rng, rng.choice(TAILS)).split())
    return f"{said}{rng.choice([' ', ', ', ' - ', '; '])}{tail}{rng.choice('...!?')}"


def target(rng: random.Random, fixed: list[str]) -> str:
    roll = rng.random()
    if roll < 0.42:
        return words(rng)
    if roll < 0.6:
        return short(rng)
    if roll < 0.72:
        return lx.code(rng)
    if roll < 0.8:
        return lx.identifier(rng)
    if roll < 0.86:
        return f"{_cased(rng, rng.choice([lx.noun, lx.pseudo_word])(rng))}{rng.choice('-_.:')}{rng.randint(1, 9999)}"
    return rng.choice(fixed).rstrip(".!?") or short(rng)


def line(rng: random.Random) -> str:
    return rng.choices(
        [fragments, repeated, prose.english, prose.punctuated, prose.ornate, prose.program, short],
        [3, 3, 4, 2, 2, 1, 1],
    )[0](rng)
