"""Each row's own settings, whoever else is in the batch."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxd.engine.sampling import History, RowSampling, Sampler, uniform

SIZE = 64

rows = st.builds(
    RowSampling,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_p=st.sampled_from([1e-6, 0.1, 0.5, 0.9, 1.0]),
    top_k=st.sampled_from([0, 1, 3, 20, SIZE, 1000]),
    min_p=st.sampled_from([0.0, 0.05, 0.5]),
    logit_bias=st.dictionaries(st.integers(0, SIZE - 1), st.floats(-100, 100), max_size=3),
    seed=st.integers(-(2**63), 2**64),
)


def logits(count: int, seed: int) -> mx.array:
    return mx.array(np.random.default_rng(seed).normal(0, 3, (count, SIZE)).astype(np.float32))


def reference(row: RowSampling, values: np.ndarray, position: int) -> int:
    """The same in plain NumPy and float64, one row at a time."""
    values = values.astype(np.float64)
    for token, bias in row.logit_bias.items():
        values[token] += np.float32(bias)
    if row.greedy:
        return int(np.argmax(values))
    order = np.argsort(-values, kind="stable")
    weights = np.exp((values[order] - values[order[0]]) / max(row.temperature, 1e-3))
    if 0 < row.top_k < SIZE:
        weights[row.top_k :] = 0
    if row.top_p < 1:
        before = np.cumsum(weights) - weights
        weights[before >= row.top_p * weights.sum()] = 0
    weights[weights < row.min_p] = 0
    if row.top_k in (0, *range(SIZE, 10_000)) and row.top_p == 1:
        in_place = np.zeros(SIZE)
        in_place[order] = weights
        order, weights = np.arange(SIZE), in_place
    total = np.cumsum(weights)
    return int(order[np.argmax(total > uniform(row.seed, position) * total[-1])])


@settings(deadline=None)
@given(st.lists(rows, min_size=1, max_size=6), st.integers(0, 1000), st.integers(0, 5000))
def test_every_row_gets_what_it_would_get_alone(
    batch: list[RowSampling], seed: int, position: int
) -> None:
    values = logits(len(batch), seed)
    positions = [position + i for i in range(len(batch))]
    together = Sampler(batch, [None] * len(batch), SIZE)(values, positions).tokens
    for i, row in enumerate(batch):
        alone = Sampler([row], [None], SIZE)(values[i : i + 1], positions[i : i + 1]).tokens
        assert int(together[i]) == int(alone[0])


@settings(deadline=None)
@given(rows, st.integers(0, 1000), st.integers(0, 5000))
def test_the_draw_is_the_textbook_one(row: RowSampling, seed: int, position: int) -> None:
    values = logits(1, seed)
    drawn = int(Sampler([row], [None], SIZE)(values, [position]).tokens[0])
    assert drawn == reference(row, np.array(values[0]), position)


def test_frequencies_follow_the_distribution() -> None:
    values = mx.log(mx.array([[0.5, 0.3, 0.15, 0.05]]))
    many = 4000
    batch = [RowSampling(temperature=1.0, seed=i) for i in range(many)]
    tokens = Sampler(batch, [None] * many, 4)(mx.repeat(values, many, axis=0), [0] * many).tokens
    share = np.bincount(np.array(tokens), minlength=4) / many
    # Four standard deviations of the likeliest token's share; the seeds are fixed.
    assert share == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.032)


@given(st.integers(-(2**63), 2**64), st.integers(0, 10**6))
def test_draws_are_in_the_unit_interval(seed: int, position: int) -> None:
    assert 0.0 <= uniform(seed, position) < 1.0


@pytest.mark.parametrize("top_p", [0.0, 5e-324, 1e-300, 1e-9])
@pytest.mark.parametrize("top_k", [0, 3])
def test_the_narrowest_nucleus_holds_the_likeliest_token(top_p: float, top_k: int) -> None:
    beside = RowSampling(temperature=1.0, top_p=0.9, seed=2)
    narrow = [RowSampling(temperature=1.0, top_p=top_p, top_k=top_k, seed=s) for s in range(20)]
    values = logits(21, 4)
    drawn = np.array(Sampler([*narrow, beside], [None] * 21, SIZE)(values, [0] * 21).tokens)
    assert drawn[:20].tolist() == np.argmax(np.array(values[:20]), axis=-1).tolist()


def test_penalties_look_at_the_prompt_or_the_answer_as_each_should() -> None:
    repetition, presence = RowSampling(repetition_penalty=2.0), RowSampling(presence_penalty=1.5)
    frequency = RowSampling(frequency_penalty=0.5)
    batch = [repetition, presence, frequency]
    history = History(batch, [[1], [1], [1]], 4)
    for token in (2, 2):
        history.add(mx.array([token] * 3), mx.ones(3))
    out = np.array(history.apply(mx.array([[4.0, 4.0, -4.0, 4.0]] * 3)))
    assert out[0].tolist() == [4.0, 2.0, -8.0, 4.0]  # prompt and answer, towards less likely
    assert out[1].tolist() == [4.0, 4.0, -5.5, 4.0]  # the answer alone, once
    assert out[2].tolist() == [4.0, 4.0, -5.0, 4.0]  # the answer alone, each time


def test_sick_logits_are_seen_row_by_row() -> None:
    values = logits(3, 1)
    values[0, 5] = float("nan")
    values[2] = 1.0
    healthy = Sampler([RowSampling()] * 3, [None] * 3, SIZE)(values, [0] * 3).healthy
    assert healthy.tolist() == [False, True, False]


def test_a_mask_allows_nothing_else() -> None:
    allowed = np.zeros((1, SIZE), dtype=np.bool_)
    allowed[0, [7, 9]] = True
    for seed in range(20):
        row = RowSampling(temperature=5.0, seed=seed, top_p=0.9, top_k=30)
        tokens = Sampler([row], [None], SIZE)(logits(1, seed), [0], None, allowed).tokens
        assert int(tokens[0]) in (7, 9)


def test_a_nucleus_in_a_large_vocabulary_is_cut_where_the_textbook_cuts_it() -> None:
    size = 20_000
    draw = np.random.default_rng(1)
    for scale, inside in ((4.0, True), (0.1, False)):  # peaked; next to flat
        values = mx.array(draw.normal(0, scale, (1, size)).astype(np.float32))
        probabilities = np.exp(np.array(values[0], dtype=np.float64))
        probabilities /= probabilities.sum()
        order = np.argsort(-probabilities)
        before = np.cumsum(probabilities[order]) - probabilities[order]
        nucleus = set(order[before < 0.9].tolist())
        assert (len(nucleus) < 2048) == inside
        batch = [RowSampling(temperature=1.0, top_p=0.9, seed=i) for i in range(300)]
        logits_of_all = mx.repeat(values, len(batch), axis=0)
        tokens = Sampler(batch, [None] * len(batch), size)(logits_of_all, [0] * len(batch)).tokens
        drawn = [int(t) for t in np.array(tokens)]
        assert len(set(drawn)) > 20
        assert set(drawn) <= nucleus or not inside
        for i in (0, 7, 299):  # and alone, or beside others, the same
            beside = [RowSampling(temperature=1.0, top_k=5, seed=1), batch[i]]
            pair = Sampler(beside, [None] * 2, size)(logits_of_all[:2], [0, 0]).tokens
            assert int(pair[1]) == drawn[i]
