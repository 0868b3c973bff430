"""A prepared model says the same as the model that was loaded.

The last test runs all others once more in a process where MLX multiplies with our own products,
which must be opened before MLX is imported.
"""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten, tree_map
from mlx_lm.models import qwen2, qwen3, qwen3_moe
from tests.engine.own_products import NO_COMPILER, NOT_LINUX, rerun

from mlxd.engine.experts import PackedExperts
from mlxd.engine.packed import PackedEmbedding, PackedLinear, usable
from mlxd.engine.weights import UnpackingLinear, prepare
from mlxd.machine import Memory

PLENTY = Memory(1 << 40, 1 << 40)
NOTHING = Memory(1 << 40, -(1 << 40))
TOKENS = mx.array([[3, 7, 90, 255, 1], [8, 8, 8, 0, 200]])
SHAPE: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "intermediate_size": 192,
    "num_attention_heads": 4,
    "rms_norm_eps": 1e-6,
    "vocab_size": 256,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rope_theta": 1e4,
    "tie_word_embeddings": True,
}
EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "moe_intermediate_size": 64,
    "norm_topk_prob": True,
}

pytestmark = pytest.mark.skipif(
    mx.default_device().type != mx.DeviceType.cpu, reason="weights are prepared on a CPU only"
)


def make(kind: str = "qwen3", **quantisation: Any) -> nn.Module:
    mx.random.seed(4)
    if kind == "qwen2":
        args = qwen2.ModelArgs.from_dict({"model_type": kind, **SHAPE})
        model: nn.Module = qwen2.Model(args)
    elif kind == "qwen3_moe":
        shape = {"model_type": kind, "head_dim": 32, **SHAPE, **EXPERTS}
        model = qwen3_moe.Model(qwen3_moe.ModelArgs.from_dict(shape))
    else:
        shape = {"model_type": kind, "head_dim": 32, **SHAPE, "tie_word_embeddings": False}
        model = qwen3.Model(qwen3.ModelArgs.from_dict(shape))
    dtype = quantisation.pop("dtype", mx.bfloat16)
    model.update(tree_map(lambda a: a.astype(dtype), model.parameters()))
    if quantisation:
        nn.quantize(model, **quantisation)
    mx.eval(model.parameters())
    return model


def exact(model: nn.Module, tokens: mx.array = TOKENS) -> mx.array:
    """The logits in float32 arithmetic throughout: MLX's own way, only not rounded."""
    saved = model.parameters()
    wide = tree_map(lambda a: a.astype(mx.float32) if a.dtype != mx.uint32 else a, saved)
    quantised_scales = any(a.dtype == mx.uint8 for _, a in tree_flatten(saved))
    if quantised_scales:
        wide = tree_map(
            lambda a: a.astype(mx.float32) if mx.issubdtype(a.dtype, mx.floating) else a, saved
        )
    model.update(wide)
    logits: mx.array = model(tokens)
    mx.eval(logits)
    model.update(saved)
    return logits


def same(got: mx.array, want: mx.array) -> bool:
    return (mx.abs(got - want).max() / mx.abs(want).max()).item() < 1e-4


CASES: list[dict[str, Any]] = [
    {"dtype": mx.bfloat16},
    {"dtype": mx.float16},
    {"dtype": mx.float32},
    *({"bits": bits, "group_size": 64} for bits in (2, 3, 4, 5, 6, 8)),
    {"bits": 4, "group_size": 32},
    {"bits": 4, "group_size": 64, "dtype": mx.float16},
    {"bits": 4, "group_size": 32, "mode": "mxfp4"},
    {"bits": 4, "group_size": 16, "mode": "nvfp4"},
    {"bits": 8, "group_size": 32, "mode": "mxfp8"},
]


@pytest.mark.parametrize("memory", [PLENTY, NOTHING], ids=["plenty", "tight"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_logits(case: dict[str, Any], memory: Memory) -> None:
    model = make(**case)
    want = exact(model)
    prepare(model, "auto", memory)
    assert same(model(TOKENS), want)
    # One token a row goes another way than a prompt does.
    assert same(model(TOKENS[:, :1])[:, 0], want[:, 0])


@pytest.mark.parametrize("kind", ["qwen2", "qwen3_moe"])
@pytest.mark.parametrize("bits", [None, 4])
def test_biases_tied_embeddings_and_experts(kind: str, bits: int | None) -> None:
    model = make(kind, **({"bits": bits, "group_size": 64} if bits else {}))
    want = exact(model)
    prepared = prepare(model, "auto", PLENTY)
    assert same(model(TOKENS), want)
    assert prepared.notes


@pytest.mark.parametrize("case", CASES, ids=str)
def test_experts_say_the_same_to_few_rows_and_to_many(case: dict[str, Any]) -> None:
    """From 64 choices of experts on, the library sorts the rows by expert."""
    model = make("qwen3_moe", **case)
    tokens = mx.random.randint(0, SHAPE["vocab_size"], (2, 40))
    for asked in (tokens, tokens[:, :3], tokens[:1, :1]):
        want = exact(model, asked)
        prepared = make("qwen3_moe", **case)
        prepare(prepared, "auto", PLENTY)
        assert same(prepared(asked), want)
    unknown = case.get("mode") == "mxfp8" or case.get("dtype", mx.bfloat16) == mx.float32
    packs = usable() is not None and not unknown
    kinds = {type(m) for m in prepared.modules()}
    assert (PackedExperts in kinds) is packs


def test_as_is_changes_nothing() -> None:
    model = make(bits=4, group_size=64)
    before = {name: a.dtype for name, a in tree_flatten(model.parameters())}
    prepared = prepare(model, "as-is", PLENTY)
    assert {name: a.dtype for name, a in tree_flatten(model.parameters())} == before
    assert prepared.dtype == "4-bit affine"


def test_float32_means_float32() -> None:
    model = make(bits=4, group_size=64)
    want = exact(model)
    assert prepare(model, "float32", NOTHING).dtype == "float32"
    assert {a.dtype for _, a in tree_flatten(model.parameters())} == {mx.float32}
    assert same(model(TOKENS), want)


def test_tight_memory_keeps_the_weights_small() -> None:
    model = make(bits=4, group_size=64)
    prepared = prepare(model, "auto", NOTHING)
    kinds = {type(m) for m in model.modules()}
    assert kinds & {UnpackingLinear, PackedLinear}
    assert nn.Linear not in kinds
    assert prepared.dtype == "4-bit affine"


def test_parameters_are_counted_as_the_model_has_them() -> None:
    plain = make(dtype=mx.float32)
    want = sum(a.size for _, a in tree_flatten(plain.parameters()))
    assert prepare(plain, "auto", PLENTY).parameters == want
    assert prepare(make(bits=4, group_size=64), "auto", PLENTY).parameters == want


def test_a_layer_of_an_unknown_kind_keeps_its_own_way() -> None:
    class Doubled(nn.QuantizedLinear):
        def __call__(self, x: mx.array) -> mx.array:
            return 2 * super().__call__(x)

    model = make(bits=4, group_size=64)
    model.lm_head.__class__ = Doubled
    want = exact(model)
    prepared = prepare(model, "auto", PLENTY)
    assert type(model.lm_head) is Doubled
    assert any("Doubled" in note for note in prepared.notes)
    assert same(model(TOKENS), want)


def test_one_layer_at_a_time() -> None:
    layers = [nn.Linear(1024, 1024, bias=False) for _ in range(12)]
    model = nn.Sequential(*layers)
    model.update(tree_map(lambda a: a.astype(mx.bfloat16), model.parameters()))
    mx.eval(model.parameters())
    del layers
    one = 1024 * 1024 * 4
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    prepare(model, "float32", PLENTY)
    assert mx.get_peak_memory() - before < 12 * one - 12 * one // 2 + 3 * one


def test_packed_layers_show_their_weight_to_those_who_look() -> None:
    if usable() is None:
        pytest.skip("our own products are not opened in this process; the last test does")
    layer = nn.QuantizedLinear.from_linear(nn.Linear(128, 40), 64, 4)
    embedding = nn.QuantizedEmbedding.from_embedding(nn.Embedding(40, 128), 64, 4)
    for module, packed in ((layer, PackedLinear(layer)), (embedding, PackedEmbedding(embedding))):
        want = mx.dequantize(module.weight, module.scales, module.biases, 64, 4)
        assert mx.allclose(packed.weight, want, atol=1e-6)
        assert packed.weight.dtype == mx.float32


@pytest.mark.parametrize("rows", [1, 2, 7, 16, 17, 40])
def test_packed_layers_take_whatever_stands_on_the_left(rows: int) -> None:
    """A transposed side reaches the products as a flag, others are copied before."""
    if usable() is None:
        pytest.skip("our own products are not opened in this process; the last test does")
    for columns, outputs in ((128, 32), (32, 128), (64, 48)):
        layer = nn.Linear(columns, outputs, bias=False)
        layer.weight = layer.weight.astype(mx.bfloat16)
        packed, weight = PackedLinear(layer), layer.weight.astype(mx.float32)
        for x in (
            mx.random.normal((columns, rows)).T,
            mx.random.normal((3, columns, rows)).swapaxes(1, 2),
            mx.random.normal((rows, 3, columns)).swapaxes(0, 1),
            mx.random.normal((rows, 2 * columns))[:, ::2],
            mx.random.normal((2 * rows, columns))[::2],
            mx.broadcast_to(mx.random.normal((rows, 1)), (rows, columns)),
        ):
            assert mx.allclose(packed(x), mx.contiguous(x) @ weight.T, atol=1e-4), x.shape


def test_a_dropped_layer_leaves_nothing_behind() -> None:
    if usable() is None:
        pytest.skip("our own products are not opened in this process; the last test does")
    for _ in range(200):
        layer = nn.Linear(64, 16, bias=False)
        layer.weight = layer.weight.astype(mx.bfloat16)
        PackedLinear(layer)
        plain = mx.random.normal((16, 64))
        x = mx.random.normal((2, 64))
        assert mx.allclose(x @ plain.T, (x[:, None] * plain[None]).sum(-1), atol=1e-4)


@NOT_LINUX
@NO_COMPILER
def test_all_of_it_with_our_own_products() -> None:
    rerun(__file__)
