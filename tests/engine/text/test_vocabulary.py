"""Every kind of tokenizer that published models have: what is streamed and enforced with it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from mlxd.engine.text import PLAIN, Grammars, Matcher, Reply, Style, Template, Tokenizer
from mlxd.engine.text.vocabulary import Vocabulary
from mlxd.wire import Chat, Format, Message, Submit, Text, TextPart

from .conftest import INSTRUCT, sentencepiece
from .test_grammars import WEATHER, Drawn

# What they are trained on: enough that pieces of every length, and of many scripts, come to be.
PROSE = [
    'The quick brown fox says {"name": "weather", "arguments": {"city": "Paris"}} and jumps.',
    "naïve café 中文 😀 👨‍👩‍👧 Привет, мир\n\tdef f(x):\n    return [1, 2, 3]  # true false null",
] * 50


def unigram() -> Backend:
    """Pieces that words begin with, and another form of some characters: T5's kind."""
    made = Backend(models.Unigram())
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    bytes_ = [chr(c) for c in range(0x20, 0x7F)] + ["\n", "\t", "é", "中"]
    trainer = trainers.UnigramTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=bytes_,
        unk_token="<unk>",
        show_progress=False,
    )
    made.train_from_iterator(PROSE, trainer)
    return made


def byte_level(*, nfkc: bool) -> Backend:
    """Bytes, with a blank before every text; `nfkc`: of the form that Claude's tokenizer has."""
    made = Backend(models.BPE())
    if nfkc:
        made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=not nfkc)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(PROSE, trainer)
    return made


def unprefixed() -> Backend:
    """Byte fallback, and no blank before a text: Gemma's kind."""
    made = Backend(models.BPE(unk_token="<unk>", byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=800,
        special_tokens=["<unk>", "<s>", "</s>", *bytes_],
        max_token_length=16,
        show_progress=False,
    )
    made.train_from_iterator(PROSE, trainer)
    state = json.loads(made.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] not in bytes_]
    return Backend.from_str(json.dumps(state))


KINDS = {
    "llama": lambda: sentencepiece(first=True),
    "mistral": lambda: sentencepiece(first=False),
    "gemma": unprefixed,
    "unigram": unigram,
    "bytes": lambda: byte_level(nfkc=False),
    "bytes nfkc": lambda: byte_level(nfkc=True),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kind")
    backend = KINDS[request.param]()
    ends = [AddedToken(t, special=True, normalized=False) for t in ("<s>", "</s>")]
    backend.add_special_tokens(ends)
    backend.save(str(made / "tokenizer.json"))
    config = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": INSTRUCT}
    (made / "tokenizer_config.json").write_text(json.dumps(config))
    return made


@pytest.fixture(scope="module")
def known(kind: Path) -> Tokenizer:
    return Tokenizer.load(kind)


@pytest.fixture(scope="module")
def style(kind: Path, known: Tokenizer) -> Style:
    return Style.infer(Template.load(kind, known), known)


@pytest.fixture(scope="module")
def grammars(known: Tokenizer, style: Style) -> Iterator[Grammars]:
    made = Grammars(known, style)
    yield made
    made.close()


def spelt(known: Tokenizer, ids: list[int]) -> bytes:
    return b"".join(map(known.token_bytes, ids))


@pytest.mark.parametrize(
    "text",
    ["{", " {", '{"name"', "\n", "  ", "é", "中中", "a" * 100, "x y\n\n z", "</a", "true"],
)
def test_the_tokens_of_a_text_say_exactly_that_text(known: Tokenizer, text: str) -> None:
    vocabulary = Vocabulary(known, sorted(known.specials))
    ids = vocabulary(text)
    assert not known.specials & set(ids)
    assert spelt(known, ids).decode() == text


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_streamed_is_the_whole_text(known: Tokenizer, data: st.DataObject) -> None:
    """Half characters, characters put together from several tokens, and bytes that are none."""
    ids = data.draw(st.lists(st.integers(0, known.vocabulary - 1), max_size=40))
    ids = [i for i in ids if i not in known.specials]
    for goes_on in (False, True):
        reply = Reply(known, PLAIN, goes_on=goes_on)
        parts = [reply.push(token).text for token in ids]
        whole = "".join(parts) + reply.finish("stop").piece.text
        assert whole == (
            spelt(known, ids).decode("utf-8", "replace") if goes_on else known.decode(ids)
        )
        assert not any("\ufffd" in part for part in parts) or "\ufffd" in whole


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_stop_ends_the_answer_wherever_tokens_end(known: Tokenizer, data: st.DataObject) -> None:
    words = ["fox", " 中", "😀", "é", "\n", " jumps", "👨‍👩‍👧", "ab", " a  b"]
    text = "".join(data.draw(st.lists(st.sampled_from(words), min_size=2, max_size=8)))
    ids = known.encode(text)
    whole = known.decode(ids)
    at = data.draw(st.integers(0, max(0, len(whole) - 2)))
    stop = whole[at : at + data.draw(st.integers(1, 6))]
    if not stop:
        return
    reply = Reply(known, PLAIN, stop=[stop])
    pieces = [reply.push(token) for token in ids]
    assert "".join(piece.text for piece in pieces) == whole[: whole.index(stop)]
    assert pieces[-1].stopped or any(piece.stopped for piece in pieces)


def matcher_of(grammars: Grammars, submit: Submit) -> Matcher:
    found = grammars.for_request(submit)
    assert found is not None
    return found


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "word": {"enum": ["é", "a b", " x", "true"]},
        "list": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["name", "count", "word", "list"],
}


@pytest.mark.parametrize("seed", range(4))
def test_a_schema_holds(known: Tokenizer, style: Style, grammars: Grammars, seed: int) -> None:
    wanted = Format("json_schema", json.dumps(SCHEMA))
    matcher = matcher_of(grammars, Submit(0, Text("x"), format=wanted))
    drawn = Drawn(known, PLAIN, matcher, seed)
    assert drawn.ended
    jsonschema.validate(json.loads(drawn.text), SCHEMA)


@pytest.mark.parametrize("seed", range(4))
def test_a_regex_holds_with_blanks_at_its_ends(
    known: Tokenizer, grammars: Grammars, seed: int
) -> None:
    wanted = Format("regex", " (é|fox){2,4} [a-z]{1,5}(ok|  )")
    drawn = Drawn(known, PLAIN, matcher_of(grammars, Submit(0, Text("x"), format=wanted)), seed)
    assert drawn.ended
    assert re.fullmatch(wanted.spec, drawn.text)


@pytest.mark.parametrize("seed", range(4))
def test_a_demanded_call_is_one(
    known: Tokenizer, style: Style, grammars: Grammars, seed: int
) -> None:
    chat = Chat([Message("user", [TextPart("x")])], [WEATHER], tool_choice="required")
    drawn = Drawn(known, style, matcher_of(grammars, Submit(0, chat)), seed)
    assert drawn.ended
    assert not drawn.text.strip()
    assert drawn.calls
    for name, arguments in drawn.calls.values():
        assert name == WEATHER.name
        jsonschema.validate(json.loads(arguments), WEATHER.parameters)
