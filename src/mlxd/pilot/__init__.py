"""The bundled model: a tiny vision-language model, so that a first run needs no network."""

from pathlib import Path


def path() -> Path:
    """The folder that holds it, in the form that any Qwen3-VL loader of MLX reads."""
    return Path(__file__).parent
