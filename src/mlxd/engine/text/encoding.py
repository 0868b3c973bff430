import os

# One text at a time has nothing to run in parallel; a pool of threads for it would only sit there.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import tokenizers


def encode(backend: tokenizers.Tokenizer, text: str, add_special: bool = False) -> list[int]:
    """The library's own `encode` holds the interpreter's lock, so that a megabyte of text stops
    all streams for seconds. As a batch of one, without offsets, it does not, and is quicker."""
    ids: list[int] = backend.encode_batch_fast([text], add_special_tokens=add_special)[0].ids
    return ids
