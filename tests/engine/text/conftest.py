import json
from pathlib import Path

import pytest
from bench.models import write_tokenizer
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from mlxd.engine.text import Grammars, Style, Template, Tokenizer
from mlxd.engine.text.markers import KNOWN

SPECIAL = ("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Byte-level BPE, as Qwen and Llama 3 have it."""
    made = tmp_path_factory.mktemp("bytes")
    write_tokenizer(made, 2048)
    (made / "config.json").write_text("{}")
    return made


@pytest.fixture(scope="session")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder)


@pytest.fixture(scope="session")
def template(folder: Path, tokenizer: Tokenizer) -> Template:
    return Template.load(folder, tokenizer)


@pytest.fixture(scope="session")
def style(template: Template, tokenizer: Tokenizer) -> Style:
    return Style.infer(template, tokenizer)


@pytest.fixture(scope="session")
def grammars(tokenizer: Tokenizer, style: Style) -> Grammars:
    return Grammars(tokenizer, style)


@pytest.fixture(scope="session")
def marked(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Tokenizer:
    """A vocabulary that has every marker as one token, as the models that use them do."""
    made = tmp_path_factory.mktemp("marked")
    backend = Backend.from_file(str(folder / "tokenizer.json"))
    backend.add_special_tokens(
        [AddedToken(m, special=True, normalized=False) for m in sorted(KNOWN)]
    )
    backend.save(str(made / "tokenizer.json"))
    return Tokenizer.load(made)


def sentencepiece(*, first: bool) -> Backend:
    """Pieces with byte fallback, as Llama 2 (`first`: a blank before every stretch of text) and
    Mistral or Gemma have them."""
    letters = [chr(c) for c in range(0x21, 0x7F)] + ["é", "中"]
    pieces = ["<unk>", *SPECIAL, *(f"<0x{b:02X}>" for b in range(256)), "▁", *letters]
    merges = [("▁", c) for c in "abcdefghijklmnopqrstuvwxyz"] + [("h", "e"), ("l", "o")]
    pieces += [left + right for left, right in merges]
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    backend = Backend(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    if first:
        backend.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
        strip = [decoders.Strip(" ", 1, 0)]
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        strip = []
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    return backend


INSTRUCT = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="session", params=["llama", "mistral"])
def pieces_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp(str(request.param))
    sentencepiece(first=request.param == "llama").save(str(made / "tokenizer.json"))
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "chat_template": INSTRUCT}
    (made / "tokenizer_config.json").write_text(json.dumps(config))
    return made


@pytest.fixture(scope="session")
def pieces(pieces_folder: Path) -> Tokenizer:
    return Tokenizer.load(pieces_folder)
