"""The networks the benchmark compares, with one interface: prepare(work) once, then run(work) any number of times.

`work` is "encode", "decode" or "train"; a training step is L1 and KL without LPIPS, its gradient clipped, Adam. Each
contender runs in a process of its own, so frameworks are imported where they are used.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

LEARNING_RATE = 1e-5
CLIP_NORM = 1.0


def inputs(size, halvings=3, latent_channels=16):
    """Pixels (1, 3, t, h, w) in [-1, 1] and a latent's noise (1, zc, lt, lh, lw) for a size (t, h, w)."""
    rng = np.random.default_rng(0)
    t, h, w = size
    ratio = 2**halvings
    x = np.clip(rng.standard_normal((1, 3, t, h, w)) * 0.5, -1, 1).astype(np.float32)
    noise = rng.standard_normal((1, latent_channels, -(-t // ratio), h // ratio, w // ratio)).astype(np.float32)
    return x, noise


class MindSporeContender:
    """The plain network or ours, in graph mode.

    Args:
        name: "plain", "ours", "ours_recompute", or "ours_npu", ours in the form that it has on an NPU.
        widths: block_out_channels.
        size: (t, h, w) in frames and pixels.
        graphs: a folder for the compiled graphs' text, or None.
    """

    def __init__(self, name, widths, size, graphs=None):
        import mindspore as ms

        ms.set_device("CPU")
        ms.set_context(mode=ms.GRAPH_MODE)
        if graphs is not None:
            ms.set_context(save_graphs=2, save_graphs_path=str(graphs))
        ms.set_seed(0)
        self.ms = ms
        if name == "plain":
            from plain_tae import PlainTAE

            self.model = PlainTAE(block_out_channels=widths)
        else:
            from mindone_tae import TemporalAutoencoder
            from mindone_tae.models.kernels.device import portable

            if name == "ours_npu":
                portable().__enter__()  # for the rest of this process
            self.model = TemporalAutoencoder(block_out_channels=widths, use_recompute=name == "ours_recompute")
        self.x, self.noise = [ms.Tensor(array) for array in inputs(size)]
        self.step = None

    def prepare(self, work):
        """Builds what the work needs."""
        self.model.set_train(work == "train")
        if work != "train" or self.step is not None:
            return
        from mindone.trainers import create_optimizer

        from mindone_tae.losses.tae_loss import TAELoss
        from mindone_tae.zoo.training.update import ForwardWithLoss, NetworkUpdate, TrainStep

        optimizer = create_optimizer(
            self.model.trainable_params(), name="adam", lr=[LEARNING_RATE] * 1000, weight_decay=0.0
        )
        network = ForwardWithLoss(self.model, TAELoss(perceptual_weight=0.0), 2)
        scale = self.ms.Tensor(1.0, self.ms.float32)
        self.step = TrainStep(network, NetworkUpdate(optimizer, scale, clip_norm=CLIP_NORM))

    def run(self, work):
        """Does the work, waits for its end, and returns one number of its result, to compare between contenders."""
        if work == "encode":
            result = self.model.encoder(self.x)
        elif work == "decode":
            result = self.model.decoder(self.noise)
        else:
            terms, *_ = self.step(True, self.x, self.noise, self.x)
            return float(terms[0].asnumpy())
        return float(np.abs(result.asnumpy()).mean())

    def matmul(self, side):
        """A matrix product, for the machine's own rate."""
        a = self.ms.Tensor(np.ones((side, side), np.float32))
        return lambda: self.ms.ops.matmul(a, a).asnumpy()


class TorchContender:
    """The network in PyTorch, eager.

    Args:
        widths: block_out_channels.
        size: (t, h, w) in frames and pixels.
    """

    def __init__(self, widths, size):
        import torch
        from torch_tae import TorchTAE

        torch.manual_seed(0)
        self.torch = torch
        self.model = TorchTAE(block_out_channels=widths)
        self.x, self.noise = [torch.from_numpy(array) for array in inputs(size)]
        self.optimizer = None

    def prepare(self, work):
        """Builds what the work needs."""
        self.model.train(work == "train")
        if work == "train" and self.optimizer is None:
            self.optimizer = self.torch.optim.AdamW(
                self.model.parameters(), lr=LEARNING_RATE, weight_decay=0.0, eps=1e-6
            )

    def run(self, work):
        """As MindSporeContender.run."""
        if work == "train":
            return self._train()
        with self.torch.inference_mode():
            result = self.model.encoder(self.x) if work == "encode" else self.model.decoder(self.noise)
            return float(result.abs().mean())

    def _train(self):
        torch = self.torch
        recon, _, mean, logvar = self.model(self.x, self.noise)
        frames = self.x.shape[2]
        kl = 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).sum()
        loss = ((recon - self.x).abs().sum() + 1e-6 * kl) / frames
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        self.optimizer.step()
        return float(loss.detach())


def build(name, widths, size, graphs=None):
    """The contender of that name."""
    if name == "torch":
        return TorchContender(widths, size)
    return MindSporeContender(name, widths, size, graphs)
