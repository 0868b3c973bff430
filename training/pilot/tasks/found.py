"""Documents through a search tool: what to look for, and an answer that cites the result it is from."""

import random
from typing import Any

from .. import chat
from .. import lexicon as lx
from ..phrase import Example, assistant, choose, lines, say, system, user
from . import common, passage, results, toolcall

TOOLS = lines("""
[search|find|query|look_up]_[documents|files|notes|papers|library|archive]
[document|file|note|library|knowledge]_search
search_[the_|my_|]docs
retrieve[_passages|_documents|]
""")
DESCRIPTIONS = lines("""
[Search|Look through] the user's [documents|files|notes|papers].[ Each result has a number n: cite it in the answer as [n].|]
[Find|Get] passages [in|of] the [documents|archive|library] that [answer|fit] a [question|query].
Full text [and vector |]search [over|in] [all|the] [documents|notes].
""")
SYSTEMS = lines("""
Answer in the user's language. Use a tool only where the question needs one. What you take from a document, cite as [n] with the number of the search result.
[You answer|Answer] questions [about|from] the user's documents. [Search|Look] [first|before you answer], then cite [the result|your source] as [n].
[Use|Call] the search for [every question|what you don't know] and put the number of the result behind the answer, as [n].
""")
# A question is a search when it says so, or when the instructions do.
SEEK = lines("""
[Please |][search|look through|look in|check] [my|the] [documents|files|notes|papers]: {q}
{q} [Search|Look in|Check] [my|the] [documents|files|notes].
[What do|Do] my [documents|notes|papers] say[ about this|]: {q}
[Find|Look up] in [my|the] [documents|files|notes]: {q}
[According to|From] my [documents|notes|files]: {q}
""")
SEEK_ZH = lines("""
[请|]在[我的|]文档[里|中][搜索|查找|查一下]：{q}
{q}[请|][查一下|搜索]我的文档。
""")
NOTHING = ["I found nothing about it.", "我没有找到相关内容。"]
KEYS = ["n", "n", "n", "id", "number", "ref", "index", "rank"]
TEXTS = ["text", "text", "passage", "content", "snippet"]


def make(rng: random.Random) -> Example:
    """The search, or, more often, the answer from what it found."""
    language = "zh" if rng.random() < 0.2 else "en"
    tool = _tool(rng)
    name = tool["function"]["name"]
    known = _asked(rng, language)
    question, answer, sentence = known
    messages: list[dict[str, Any]] = [system(_told(rng, SYSTEMS))]
    if rng.random() < 0.12:
        messages += common.filler_turns(rng, 1)
    request = question
    if rng.random() < 0.6:
        request = say(rng, SEEK_ZH if language == "zh" else SEEK, q=question)
    call = {"query": question.rstrip("?？")}
    tools = _among(rng, tool)
    messages.append(user(request))
    if rng.random() < 0.3:
        said = chat.tool_call_text(name, call)
        return Example("call", messages, said, tools, {"calls": [(name, call)]})
    messages.append(chat.tool_call_message([(name, call)]))
    listed, number = _results(rng, language, sentence)
    if rng.random() < 0.1:
        empty = rng.choice(["Nothing was found.", "[]", '{"results": []}'])
        messages.append({"role": "tool", "content": empty})
        return Example("loop", messages, NOTHING[language == "zh"], tools)
    messages.append({"role": "tool", "content": results.dump(rng, listed)})
    cited = f"{answer} [{number}]"
    if rng.random() < 0.1:
        # The same again does not need the search again.
        messages += [assistant(cited), user(question)]
    return Example("loop", messages, cited, tools)


def _told(rng: random.Random, templates: list[str]) -> str:
    """To the phrase grammar "[n]" is a choice of one; here it is what has to be written."""
    return choose(rng, rng.choice(templates)).replace(" as n", " as [n]")


def _tool(rng: random.Random) -> dict[str, Any]:
    properties: dict[str, Any] = {"query": {"type": "string"}}
    if rng.random() < 0.6:
        properties["query"]["description"] = "What to look for."
    more = {
        "document": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "limit": {"type": "integer", "default": 5},
        "tag": {"type": "string"},
    }
    for key in rng.sample(sorted(more), rng.choice([0, 0, 1, 2])):
        properties[key] = more[key]
    parameters = {"type": "object", "properties": properties, "required": ["query"]}
    function = {
        "name": choose(rng, rng.choice(TOOLS)),
        "description": _told(rng, DESCRIPTIONS),
        "parameters": parameters,
    }
    return {"type": "function", "function": function}


def _among(rng: random.Random, tool: dict[str, Any]) -> list[dict[str, Any]]:
    """Beside tools of other kinds, none of which searches."""
    tools = [tool]
    if rng.random() < 0.7:
        for other in toolcall.scene(rng, rng.choice([0, 1, 2, 3])).tools:
            words = str(other["function"]).lower()
            if not any(w in words for w in ("search", "find", "look", "query", "retrieve")):
                tools.append(other)
    rng.shuffle(tools)
    return tools


def _asked(rng: random.Random, language: str) -> tuple[str, str, str]:
    """A question, its answer, and the sentence that holds it."""
    while True:
        example = passage.make(rng)
        text = example.meta.get("sentence", "")
        if text and example.meta["language"] == language:
            return example.meta["question"], example.answer, text


def _results(rng: random.Random, language: str, sentence: str) -> tuple[Any, int]:
    count = rng.choice([1, 1, 2, 3, 4, 5])
    place = rng.randrange(count)
    n_key, text_key = rng.choice(KEYS), rng.choice(TEXTS)
    first = rng.choice([1, 1, 1, 1, 0, rng.randint(2, 9)])
    made: list[dict[str, Any]] = []
    for i in range(count):
        around = [_other(rng, language) for _ in range(rng.choice([0, 1, 2, 3]))]
        if i == place:
            around.insert(rng.randint(0, len(around)), sentence)
        text = ("" if language == "zh" else " ").join(around or [_other(rng, language)])
        one: dict[str, Any] = {n_key: first + i}
        if rng.random() < 0.8:
            one["document"] = f"{rng.getrandbits(64):016x}"
        one["title"] = lx.word(rng) + rng.choice([".pdf", ".txt", ".md", ".docx", ""])
        one["page"] = rng.choice([None, rng.randint(1, 40)])
        made.append({**one, text_key: text})
    if rng.random() < 0.3:
        return made, first + place
    return {"results": made, "notes": []}, first + place


def _other(rng: random.Random, language: str) -> str:
    draw = common.zh_filler if language == "zh" else common.filler
    return draw(rng)
