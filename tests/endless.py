"""A model that never ends an answer by itself, however its tokens are drawn."""

import json
from pathlib import Path

from bench.models import SHAPES, write_model


def write_endless(folder: Path) -> Path:
    """Random weights, and no token that is known as an end."""
    write_model(folder, SHAPES["tiny"])
    for name in ("config.json", "tokenizer_config.json"):
        read = json.loads((folder / name).read_text())
        kept = {key: value for key, value in read.items() if not key.startswith("eos_token")}
        (folder / name).write_text(json.dumps(kept))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    for token in tokenizer["added_tokens"]:
        token["special"] = False
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder
