"""Attention whose scores take turns is softmax attention by its definition, with its gradients."""

import numpy as np
import pytest

import mindspore as ms

from mindone_tae.models.kernels import attention


def by_definition(query, key, value):
    scores = np.einsum("nqc,nkc->nqk", *(array.astype(np.float64) for array in (query, key))) / np.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("nqk,nkc->nqc", weights / weights.sum(-1, keepdims=True), value)


@pytest.mark.parametrize("at_once", [1, 3, 7, 8])
def test_turns_change_neither_result_nor_gradients(monkeypatch, at_once):
    n, length, c = 2, 7, 4
    arrays = np.random.default_rng(0).standard_normal((4, n, length, c)).astype(np.float32)
    *given, direction = map(ms.Tensor, arrays)
    whole = ms.value_and_grad(lambda *qkv: (attention.attend(*qkv) * direction).sum(), (0, 1, 2))(*given)
    monkeypatch.setattr(attention, "_SCORES", at_once * n * length)
    assert attention.queries_at_once(n, length) == at_once
    np.testing.assert_allclose(attention.attend(*given).asnumpy(), by_definition(*arrays[:3]), atol=1e-5)
    found = ms.value_and_grad(lambda *qkv: (attention.attend(*qkv) * direction).sum(), (0, 1, 2))(*given)
    for ours, theirs in zip(found[1], whole[1], strict=True):
        np.testing.assert_allclose(ours.asnumpy(), theirs.asnumpy(), atol=1e-5)


def test_scores_of_a_large_frame_take_at_most_128_megabytes():
    length = (768 // 8) ** 2
    assert 4 * attention.queries_at_once(1, length) * length <= 2**27 < 4 * length * length
