"""In an engine's environment: the model raises where a file says so.

Python imports this by its name in every process whose PYTHONPATH has this folder. The file holds
`PLACE MESSAGE`, and is read at each call, so that a test can break a running engine and mend it.
"""

import importlib.abc
import importlib.machinery
import os
import sys

FILE = os.environ.get("FAULT_FILE", "")
ZOO = ("mlx_lm.models.", "mlx_vlm.models.")
CLASSES = ("Model", "LanguageModel")
TOKENIZER = "mlxd.engine.text.tokenizer"


def wanted():
    try:
        with open(FILE, encoding="utf-8") as file:
            place, _, message = file.read().partition(" ")
    except OSError:
        return "", ""
    return place, message


def length(inputs):
    return inputs.shape[-1] if hasattr(inputs, "shape") and inputs.ndim == 2 else 0


def break_model(kind):
    whole = kind.__call__

    def call(self, inputs, *more, **named):
        place, message = wanted()
        if place == "compile":
            sys.modules["mlx.core"].enable_compile()
        tokens = length(inputs)
        if (place == "prefill" and tokens > 1) or (place == "decode" and tokens == 1):
            raise RuntimeError(message)
        if place == "abort" and tokens == 1:
            print(message, file=sys.stderr, flush=True)
            os.abort()
        if place == "wordless" and tokens == 1:
            raise AssertionError
        return whole(self, inputs, *more, **named)

    kind.__call__ = call


def break_tokenizer(module):
    whole = module.Tokenizer.token_bytes

    def token_bytes(self, token):
        place, message = wanted()
        if place == "detokenise":
            raise RuntimeError(message)
        return whole(self, token)

    module.Tokenizer.token_bytes = token_bytes


class Breaking(importlib.abc.Loader):
    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        if module.__name__ == TOKENIZER:
            break_tokenizer(module)
        for name in CLASSES if module.__name__.startswith(ZOO) else ():
            kind = getattr(module, name, None)
            if isinstance(kind, type) and kind.__module__ == module.__name__:
                break_model(kind)


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != TOKENIZER and not name.startswith(ZOO):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = Breaking(spec.loader)
        return spec


if FILE:
    sys.meta_path.insert(0, Finder())
