"""The CPU's own attention against MLX's, in every form that models use."""

import mlx.core as mx
import pytest

from mlxd.engine.attention import _library_attention, attention


def tensors(batch: int, heads: int, groups: int, queries: int, keys: int) -> list[mx.array]:
    mx.random.seed(queries * keys)
    shapes = [(heads, queries), (groups, keys), (groups, keys)]
    return [mx.random.normal((batch, h, n, 16)) for h, n in shapes]


def masks(batch: int, heads: int, queries: int, keys: int) -> dict[str, object]:
    visible = mx.random.uniform(shape=(batch, 1, queries, keys)) > 0.3
    visible[..., 0] = True  # a row that sees nothing means nothing
    return {
        "none": None,
        "causal": "causal",
        "boolean": visible,
        "two axes": visible[0, 0],
        "a row for all": visible[:, :, :1],
        "by head": mx.broadcast_to(visible, (batch, heads, queries, keys)),
        "numbers": mx.random.normal((batch, 1, queries, keys)),
    }


@pytest.mark.parametrize("kind", list(masks(1, 4, 2, 2)))
@pytest.mark.parametrize(
    ("batch", "heads", "groups", "queries", "keys"),
    [(1, 4, 4, 1, 9), (3, 4, 2, 1, 40), (2, 6, 2, 5, 30), (1, 4, 1, 200, 900), (2, 4, 2, 70, 70)],
)
def test_it_is_the_same(
    kind: str, batch: int, heads: int, groups: int, queries: int, keys: int
) -> None:
    q, k, v = tensors(batch, heads, groups, queries, keys)
    mask = masks(batch, heads, queries, keys)[kind]
    wanted = _library_attention(q, k, v, scale=0.25, mask=mask)
    found = attention(q, k, v, scale=0.25, mask=mask)
    assert found.shape == wanted.shape
    assert float(mx.abs(found - wanted).max()) < 2e-5


def test_other_precisions_and_sinks_stay_with_the_library() -> None:
    q, k, v = (a.astype(mx.bfloat16) for a in tensors(1, 4, 2, 3, 8))
    assert attention(q, k, v, scale=0.25).dtype == mx.bfloat16
    q, k, v = tensors(1, 4, 2, 3, 8)
    sinks = mx.zeros((4,))
    wanted = _library_attention(q, k, v, scale=0.25, sinks=sinks)
    assert mx.allclose(attention(q, k, v, scale=0.25, sinks=sinks), wanted).item()


def test_a_row_that_sees_nothing_is_a_number_and_no_rows_are_none() -> None:
    q, k, v = tensors(1, 4, 2, 3, 8)
    least = mx.full((1, 1, 3, 8), mx.finfo(mx.float32).min)
    assert not mx.isnan(attention(q, k, v, scale=0.25, mask=least)).any().item()
    assert attention(q[:, :, :0], k[:, :, :0], v[:, :, :0], scale=0.25).shape == (1, 4, 0, 16)
