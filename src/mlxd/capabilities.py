"""What models can do, and what applications assign."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# What requests need and engines report.
CAPABILITIES = ("text", "vision", "tool_use", "structured_output", "embedding", "reranker")
# Labels that an application may assign; nothing can be asked to confirm them.
LABELS = ("reasoning", "code")
KNOWN = CAPABILITIES + LABELS

# What sentence-transformers puts beside the weights of a model whose vectors are pooled.
_POOLING = {"modules.json", "1_Pooling", "config_sentence_transformers.json"}
# Architectures of which there are generating models and, under the same name, models for vectors:
# their conversions to MLX often leave everything out that would tell them apart but the name.
_BOTH = {"qwen3", "gemma3_text", "lfm2", "ministral3"}
_CALLED = re.compile(r"(?:^|[-_.])embed(?:ding|dings)?(?:[-_.]|$)", re.IGNORECASE)
# What sentence-transformers puts there instead for a model that ranks by its word for yes: it makes
# tokens like any other, whatever else of that library lies beside it.
_RANKS = "_LogitScore"


def is_for_vectors(name: str, files: Iterable[str], config: Mapping[str, Any]) -> bool:
    """Whether a model was made for embeddings. `name` is its repository's or its folder's; `files`
    may have folders before them."""
    places = {file.partition("/")[0] for file in files}
    if any(place.endswith(_RANKS) for place in places):
        return False
    if _POOLING & places:
        return True
    if isinstance(config.get("vision_config"), dict):
        return False
    told = config.get("architectures")
    classes = [str(one) for one in told] if isinstance(told, list) else []
    # A class that ends so has no head to make tokens with.
    if any(one.endswith("Model") and not one.endswith("LMHeadModel") for one in classes):
        return True
    return config.get("model_type") in _BOTH and _CALLED.search(name) is not None


def repository_name(folder: Path) -> str:
    """What a model folder is called; a snapshot in Hugging Face's cache by its repository."""
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.rpartition("--")[2]
    return folder.name
