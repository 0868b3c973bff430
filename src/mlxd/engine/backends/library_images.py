"""Images for all other vision models, by the processor that the library brings for each.

The processor makes places for the images in the prompt and has the prompt tokenised. Both are made
to see what the template wrote and what clients did: the processor gets the prompt without the
control tokens that clients spelt, and what it makes of it goes through our own tokenizer.
"""

import threading
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from PIL import Image

from mlxd.wire import ImagePart

from ..job import Refused
from ..text import Rendered, Tokenizer
from .base import CannotLoad
from .images import ImageReader


def _by_our_own(library: Any, tokenizer: Tokenizer) -> threading.local:
    """Make the library's tokenizer encode as ours does. Returns where each thread leaves the
    prompt that it is about to have processed."""
    from transformers import BatchEncoding

    class Guarded(type(library)):  # type: ignore[misc]  # the library's class is found at run time
        def __call__(self, text: Any = None, *_: Any, **options: Any) -> Any:
            texts = [text] if isinstance(text, str) else list(text)
            ids = [tokenizer.encode(prompt.now.revealed(t)) for t in texts]
            tensors = options.get("return_tensors")
            data: dict[str, Any]
            data = {"input_ids": ids, "attention_mask": [[1] * len(one) for one in ids]}
            if options.get("return_token_type_ids"):
                data["token_type_ids"] = [[0] * len(one) for one in ids]
            if isinstance(text, str) and tensors is None:
                data = {name: rows[0] for name, rows in data.items()}
            return BatchEncoding(data, tensor_type=tensors)

    prompt = threading.local()
    library.__class__ = Guarded
    return prompt


class LibraryReader(ImageReader):
    def __init__(
        self, folder: Path, config: dict[str, Any], tokenizer: Tokenizer, pixel_limit: int
    ) -> None:
        super().__init__(config, pixel_limit)
        from mlx_vlm.utils import load_processor

        try:
            self._processor = load_processor(folder, add_detokenizer=False, trust_remote_code=False)
            self._prompt = _by_our_own(self._processor.tokenizer, tokenizer)
        except Exception as error:  # libraries may raise anything on a folder of anything
            raise CannotLoad(f"{folder} has no image processor that works: {error}") from error
        # Processors keep state between the steps of a call.
        self._one_at_a_time = threading.Lock()

    def _process(
        self, prompt: str, decoded: list[Image.Image], images: list[ImagePart]
    ) -> tuple[list[int], dict[str, npt.NDArray[Any]]]:
        assert isinstance(prompt, Rendered)
        self._prompt.now = prompt
        try:
            with self._one_at_a_time:
                made = self._processor(text=[prompt.hidden], images=decoded, return_tensors="np")
        except (ValueError, TypeError, IndexError, StopIteration) as error:
            raise Refused(
                f"the model's image processor can't use these images: {error}", param="messages"
            ) from error
        kinds = (np.ndarray, mx.array)
        arrays = {k: np.array(v) for k, v in dict(made).items() if isinstance(v, kinds)}
        tokens = arrays.pop("input_ids").reshape(-1).astype(np.int64)
        arrays.pop("attention_mask", None)
        return tokens.tolist(), arrays
