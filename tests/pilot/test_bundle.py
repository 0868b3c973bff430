"""The folder that ships: complete, small, and readable with the usual libraries."""

import json
from typing import Any

import pytest
from tokenizers import Tokenizer

from mlxd import pilot

LIMIT_BYTES = 32 * 2**20
NEEDED = {
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "README.md",
}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {
                "city": {"type": "string", "description": "Name of the city"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            },
        },
    },
}


def test_the_folder_is_complete_and_small() -> None:
    files = {f.name: f.stat().st_size for f in pilot.path().iterdir() if f.is_file()}
    assert set(files) >= NEEDED
    assert sum(files.values()) <= LIMIT_BYTES


def test_the_tokenizer_gives_back_any_text() -> None:
    tokenizer = Tokenizer.from_file(str(pilot.path() / "tokenizer.json"))
    for text in (
        "Reply with exactly QX-7713ab.",
        "只回复：好的",
        'get_weather({"city": "Zürich"})\n\t\U0001f600',
    ):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_marks_of_the_chat_are_one_token_each() -> None:
    tokenizer = Tokenizer.from_file(str(pilot.path() / "tokenizer.json"))
    config = json.loads((pilot.path() / "config.json").read_text())
    for mark in ("<|im_start|>", "<|im_end|>", "<|image_pad|>", "<tool_call>", "</tool_call>"):
        assert len(tokenizer.encode(mark, add_special_tokens=False).ids) == 1
    assert tokenizer.token_to_id("<|im_end|>") in config["eos_token_id"]
    assert tokenizer.token_to_id("<|image_pad|>") == config["image_token_id"]
    assert tokenizer.get_vocab_size() <= config["vocab_size"]


def test_the_chat_template_shows_tools_calls_results_and_images() -> None:
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(pilot.path()))
    messages = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "image"}, {"type": "text", "text": "Where is this?"}],
        },
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Rome"}}}],
        },
        {"role": "tool", "content": "21 C"},
    ]
    text = tokenizer.apply_chat_template(
        messages, tools=[WEATHER], tokenize=False, add_generation_prompt=True
    )
    assert "Be brief." in text
    assert "# get_weather\nWeather of a city\n" in text
    assert "- city (string): Name of the city" in text
    assert '- unit (one of ["celsius", "fahrenheit"], optional)' in text
    assert "- days (integer or null, optional)" in text
    assert "<|vision_start|><|image_pad|><|vision_end|>Where is this?" in text
    call = '{"name": "get_weather", "arguments": {"city": "Rome"}}'
    assert f"<tool_call>\n{call}\n</tool_call><|im_end|>" in text
    assert "<|im_start|>tool\n21 C<|im_end|>" in text
    assert text.endswith("<|im_start|>assistant\n")
