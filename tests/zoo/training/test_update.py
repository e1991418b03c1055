"""A step is one graph for each shape of the clips; with accumulation, one of gradients for each, and one update."""

import numpy as np
import pytest

import mindspore as ms
from mindone.trainers import EMA
from mindspore import nn

from mindone_tae.zoo.training.update import ForwardWithLoss, Gradients, NetworkUpdate, TrainStep

RATE, DECAY = 0.125, 0.9


class Factor(nn.Cell):
    def __init__(self):
        super().__init__()
        self.factor = ms.Parameter(ms.Tensor([0.25], ms.float32), name="factor")

    def construct(self, x):
        return x * self.factor


def square_error(recon, x):
    return ((recon - x) ** 2).mean()


@pytest.mark.parametrize("micro_steps", [1, 2])
def test_a_step_of_any_shape_is_that_of_the_formula_in_as_few_graphs_as_it_can_be(mode, micro_steps):
    model = Factor()
    ema = EMA(model, DECAY)
    update = NetworkUpdate(nn.SGD(model.trainable_params(), RATE), ms.Tensor(8.0), ema, micro_steps)
    step = TrainStep(Gradients(ForwardWithLoss(model, square_error, 1), update), update)
    factor, averaged = 0.25, 0.25
    for number, frames in enumerate((4, 1, 4), 1):
        x = np.random.default_rng(frames).uniform(0.1, 0.9, (frames, 3)).astype(np.float32)
        for micro_step in range(micro_steps):
            result = step(micro_step == micro_steps - 1, ms.Tensor(x), ms.Tensor(x))
        gradient = 2 * (factor - 1) * (x.astype(np.float64) ** 2).mean()
        assert float(result.norm) == pytest.approx(abs(gradient), rel=1e-5) and not bool(result.refused)
        factor -= RATE * gradient
        decay = DECAY * (1 - np.exp(-number / 2000))
        averaged = decay * averaged + (1 - decay) * factor
        assert float(model.factor.asnumpy()[0]) == pytest.approx(factor, rel=1e-5)
        assert float(ema.ema_weight[0].asnumpy()[0]) == pytest.approx(averaged, rel=1e-5)
    if mode == ms.GRAPH_MODE:
        cells = (step._whole, step._gradients, step._weights_update)
        assert [len(cell.compile_cache) for cell in cells if cell] == ([2, 0, 0] if micro_steps == 1 else [2, 1])
