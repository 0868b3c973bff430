"""The same work without any server: the ceiling that a server can be held against.

    python -m bench.bare DIR --rows 8 --prompt 24 --tokens 64 --rounds 3

Weights are prepared as the engine prepares them. Prompts are processed as one batch, then all
rows are decoded greedily, the next step launched before the last one's tokens are read. Prints
one JSON object.
"""

import argparse
import json
import statistics
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from mlxd.machine import memory, prepare_for_mlx

if TYPE_CHECKING:
    from mlxd.engine.weights import Policy


def measure(
    folder: Path, rows: int, prompt: int, tokens: int, rounds: int, policy: "Policy"
) -> dict[str, object]:
    notes = prepare_for_mlx()
    # Only now: a BLAS replaces MLX's own only if it is opened before MLX is imported.
    import mlx.core as mx
    from mlx_lm.models.cache import BatchKVCache
    from mlx_lm.utils import load

    from mlxd.engine.weights import prepare

    model = load(str(folder))[0]
    notes += prepare(model, policy, memory()).notes
    mx.eval(model.parameters())

    def step(ids: mx.array, cache: list[BatchKVCache]) -> mx.array:
        logits = model(ids, cache=cache)[:, -1]
        return mx.argmax(logits, axis=-1)

    def once(seed: int) -> tuple[float, float]:
        mx.random.seed(seed)
        ids = mx.random.randint(0, 1000, (rows, prompt))
        mx.eval(ids)
        begun = perf_counter()
        cache = [BatchKVCache([0] * rows) for _ in model.layers]
        # All but the last token fill the cache: their logits are of no use.
        if prompt > 1:
            model(ids[:, :-1], cache=cache)
            mx.eval([c.state for c in cache])
        now = step(ids[:, -1:], cache)
        mx.async_eval(now)
        first = 0.0
        for i in range(tokens):
            if i + 1 < tokens:
                after = step(now[:, None], cache)
                mx.async_eval(after)
            now.tolist()
            if i == 0:
                first = perf_counter()
            now = after
        return begun, first

    totals, decodes, firsts = [], [], []
    for i in range(rounds + 1):
        begun, first = once(i)
        ended = perf_counter()
        if i:  # the first round warms up
            totals.append(rows * tokens / (ended - begun))
            decodes.append(rows * (tokens - 1) / (ended - first) if tokens > 1 else 0.0)
            firsts.append(first - begun)
    return {
        "rows": rows,
        "prompt": prompt,
        "tokens": tokens,
        "first token s": statistics.median(firsts),
        "throughput tok/s": statistics.median(totals),
        "decode tok/s": statistics.median(decodes),
        "rounds tok/s": totals,
        "MB": mx.get_active_memory() / 1e6,
        "notes": notes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Decode a batch in process, without a server.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", choices=("auto", "float32", "as-is"), default="auto")
    args = parser.parse_args()
    found = measure(args.folder, args.rows, args.prompt, args.tokens, args.rounds, args.weights)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
