"""Attention whose scores take turns is softmax attention by its definition, with its gradients."""

import subprocess
import sys

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


# Prints by how many bytes a compiled graph's pass raises the peak of resident memory: all scores would take 268 MB.
_MEASURE = """
import sys
import numpy as np, mindspore as ms
from mindone_tae.models.kernels import attention
ms.set_context(mode=ms.GRAPH_MODE, device_target="CPU")
class Attention(ms.nn.Cell):
    def construct(self, x):
        return 2.0 * attention.attend(2.0 * x, 3.0 * x, 4.0 * x)
def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
attention._SCORES = 2**20
network, x = Attention(), ms.Tensor(np.zeros((1, 8192, 8), np.float32))
network.compile(x)
before = peak()
network(x).asnumpy()
sys.stdout.write(str(peak() - before))
"""


def test_a_graph_holds_the_scores_of_one_turn_at_a_time(tmp_path):
    (tmp_path / "measure.py").write_text(_MEASURE)  # a file, since MindSpore compiles from the source
    words = [sys.executable, str(tmp_path / "measure.py")]
    found = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert int(found.stdout) < 60e6
