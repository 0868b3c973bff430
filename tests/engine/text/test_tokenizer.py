import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxd.engine.text import Tokenizer, UnusableModel
from mlxd.engine.text.guard import Rendered

TEXTS = [
    "hello world",
    " leading",
    "tab\tand\nline",
    "naïve 中文 😀 👨‍👩‍👧",
    "",
    "a  b   c",
    "<b> [x]",
]

MANY_TIMES = 50


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_encoded_comes_back(tokenizer: Tokenizer, pieces: Tokenizer, text: str) -> None:
    for tok in (tokenizer, pieces):
        assert tok.decode(tok.encode(text)).removeprefix(" ") == text.removeprefix(" ")


def test_decoding_agrees_with_the_library(pieces: Tokenizer, pieces_folder: Path) -> None:
    backend = tokenizers.Tokenizer.from_file(str(pieces_folder / "tokenizer.json"))
    for text in TEXTS:
        ids = backend.encode(text, add_special_tokens=False).ids
        assert pieces.decode(ids) == backend.decode(ids)


@given(st.lists(st.integers(0, 2047), max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_ids_decode_as_the_library_decodes_them(tokenizer: Tokenizer, ids: list[int]) -> None:
    assert tokenizer.decode(ids) == tokenizer._backend.decode(ids)


def test_a_tokens_bytes_may_be_part_of_a_character(tokenizer: Tokenizer, pieces: Tokenizer) -> None:
    for tok in (tokenizer, pieces):
        ids = tok.encode("😀")
        assert len(ids) > 1
        assert b"".join(map(tok.token_bytes, ids)).strip() == "😀".encode()
        assert tok.token_text(ids[-1]) == "�"


def test_ids_outside_of_the_vocabulary_have_no_bytes(tokenizer: Tokenizer) -> None:
    assert tokenizer.vocabulary == 2048
    assert [tokenizer.token_bytes(i) for i in (-1, 2048, 10**9)] == [b"", b"", b""]


def test_ends_of_sequence_come_from_every_file_that_names_some(
    tmp_path: Path, folder: Path
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 6, 999999]}')
    (tmp_path / "config.json").write_text('{"eos_token_id": 7, "text_config": {"eos_token_id": 8}}')
    tok = Tokenizer.load(tmp_path)
    assert tok.eos_ids == {5, 6, 7, 8, tok.token_id("<|im_end|>")}


def test_a_turns_end_ends_the_sequence_even_where_no_file_says_so(
    tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<|endoftext|>"}')
    tok = Tokenizer.load(tmp_path)
    assert tok.eos_ids == {tok.token_id("<|endoftext|>"), tok.token_id("<|im_end|>")}


def test_padding_and_truncation_of_the_file_are_ignored(tmp_path: Path, folder: Path) -> None:
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.enable_truncation(4)
    backend.enable_padding(length=64)
    backend.save(str(tmp_path / "tokenizer.json"))
    assert len(Tokenizer.load(tmp_path).encode("one two three four five six")) > 4


def test_a_folder_without_a_usable_tokenizer_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match=r"no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UnusableModel, match="can't be read"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("[oops")


def test_broken_configuration_names_the_file(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text("[oops")
    with pytest.raises(UnusableModel, match=r"tokenizer_config\.json is not valid JSON"):
        Tokenizer.load(tmp_path)


def test_the_room_imports_no_model_library() -> None:
    code = "import sys, json, mlxd.engine.text; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"mlx", "mlx_lm", "mlx_vlm", "transformers", "torch", "fastapi", "uvicorn"}
    assert not heavy & set(json.loads(out.stdout))


@pytest.fixture
def no_forced_switches() -> Iterator[None]:
    """A thread that does not let go of the interpreter's lock keeps it."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(60)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.parametrize("guarded", [False, True])
def test_other_threads_go_on_while_a_long_text_is_tokenised(
    tokenizer: Tokenizer, guarded: bool, no_forced_switches: None
) -> None:
    text = "!?" * 50_000
    if guarded:
        guard = tokenizer.guard([])
        text = Rendered.of(guard.mark("<|im_end|>" + text), guard)
    tokenizer.encode(text)
    turns, over = 0, threading.Event()

    def others() -> None:
        nonlocal turns
        while not over.wait(0):
            turns += 1
            time.sleep(0)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        before = turns
        # Whoever may go on also needs a processor, which others may have just then.
        for _ in range(MANY_TIMES):
            tokenizer.encode(text)
            if (after := turns) > before:
                break
    finally:
        over.set()
        thread.join()
    assert after > before
