"""What the field's own library says to a conversation, with nothing of mlxd's engine: one process,
one answer. Reads {"folder", "messages", "tools", "max_tokens"} and writes {"prompt", "text"}."""

import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from mlxd.machine import prepare_for_mlx

from .messages import picture, plain, texts


def main() -> None:
    asked = json.load(sys.stdin)
    prepare_for_mlx("auto")
    pictures = [
        picture(part["image_url"]["url"])
        for one in asked["messages"]
        for part in (one["content"] if isinstance(one.get("content"), list) else ())
        if part["type"] == "image_url"
    ]
    text = _seeing(asked, pictures) if pictures else _reading(asked)
    print(json.dumps({"text": text}))


def _reading(asked: dict[str, Any]) -> str:
    library: Any = importlib.import_module("mlx_lm")
    model, tokenizer = library.load(asked["folder"])[:2]
    prompt = tokenizer.apply_chat_template(
        plain(asked["messages"]), tools=asked["tools"], add_generation_prompt=True
    )
    return str(library.generate(model, tokenizer, prompt=prompt, max_tokens=asked["max_tokens"]))


def _seeing(asked: dict[str, Any], pictures: list[bytes]) -> str:
    library: Any = importlib.import_module("mlx_vlm")
    prompts: Any = importlib.import_module("mlx_vlm.prompt_utils")
    model, processor = library.load(asked["folder"])
    said = " ".join(text for one in asked["messages"] for text in texts(one))
    prompt = prompts.apply_chat_template(processor, model.config, said, num_images=len(pictures))
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, data in enumerate(pictures):
            file = Path(folder) / f"{number}.png"
            file.write_bytes(data)
            files.append(str(file))
        made = library.generate(
            model, processor, prompt, image=files, max_tokens=asked["max_tokens"], temperature=0.0
        )
    return str(made.text)


if __name__ == "__main__":
    main()
