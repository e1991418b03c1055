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


def groups_of(widths):
    """norm_num_groups, the published 32 where the widths allow it."""
    return min(32, widths[0] // 2)


class MindSporeContender:
    """The plain network or ours, in graph mode.

    Args:
        name: "plain", "ours", "ours_recompute", "ours_streamed", chunk by chunk, with ":2.0" after it in tiles of that
            memory_budget_gb, or "ours_npu", ours in the form that it has on an NPU.
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

            self.model = PlainTAE(block_out_channels=widths, norm_num_groups=groups_of(widths))
        else:
            from mindone_tae import TemporalAutoencoder
            from mindone_tae.models.kernels.device import portable

            if name == "ours_npu":
                self.form = portable()  # kept: it would end with its last reference
                self.form.__enter__()
            name, _, budget = name.partition(":")
            self.model = TemporalAutoencoder(
                block_out_channels=widths,
                norm_num_groups=groups_of(widths),
                use_recompute=name == "ours_recompute",
                memory_budget_gb=float(budget) if budget else None,
            )
        self.x, self.noise = [ms.Tensor(array) for array in inputs(size)]
        self.streamed = name == "ours_streamed"
        self.step = None

    def prepare(self, work):
        """Builds what the work needs."""
        self.model.set_train(work == "train")
        if work != "train" or self.step is not None:
            return
        from mindone.trainers import create_optimizer

        from mindone_tae.losses.tae_loss import TAELoss
        from mindone_tae.zoo.training.update import ForwardWithLoss, Gradients, NetworkUpdate, TrainStep

        optimizer = create_optimizer(
            self.model.trainable_params(), name="adam", lr=[LEARNING_RATE] * 1000, weight_decay=0.0
        )
        network = ForwardWithLoss(self.model, TAELoss(perceptual_weight=0.0), 2)
        update = NetworkUpdate(optimizer, self.ms.Tensor(1.0, self.ms.float32), clip_norm=CLIP_NORM)
        self.step = TrainStep(Gradients(network, update), update)

    def run(self, work):
        """Does the work, waits for its end, and returns one number of its result, to compare between contenders."""
        if self.streamed:
            return self._stream(work)
        if work == "encode":
            result = self.model.encoder(self.x)
        elif work == "decode":
            result = self.model.decoder(self.noise)
        else:
            terms, *_ = self.step(True, self.x, self.noise, self.x)
            return float(terms[0].asnumpy())
        return float(np.abs(result.asnumpy()).mean())

    def _stream(self, work):
        """As `run`; results are dropped as they come, as by a writer."""
        array, chunk = (self.x.asnumpy(), 16) if work == "encode" else (self.noise.asnumpy(), 2)
        chunks = (array[:, :, start : start + chunk] for start in range(0, array.shape[2], chunk))
        if work == "encode":
            results = (np.concatenate(moments, axis=1) for _, *moments in self.model.encode_frames(chunks))
        else:
            results = self.model.decode_frames(chunks)
        sums = [(float(np.abs(result).sum(dtype=np.float64)), result.size) for result in results]
        return sum(total for total, _ in sums) / sum(size for _, size in sums)

    def matmul(self, side):
        """A matrix product, for the machine's own rate."""
        a = self.ms.Tensor(np.ones((side, side), np.float32))
        return lambda: self.ms.ops.matmul(a, a).asnumpy()


class TorchContender:
    """The network in PyTorch: eager, compiled, or eager with products of bfloat16.

    Args:
        name: "torch", "torch_compile" or "torch_bf16".
        widths: block_out_channels.
        size: (t, h, w) in frames and pixels.
    """

    def __init__(self, name, widths, size):
        import torch
        from torch_tae import TorchTAE

        torch.manual_seed(0)
        self.torch = torch
        self.model = TorchTAE(block_out_channels=widths, norm_num_groups=groups_of(widths))
        self.networks = {"encode": self.model.encoder, "decode": self.model.decoder, "train": self.model}
        if name == "torch_compile":
            self.networks = {work: torch.compile(network) for work, network in self.networks.items()}
        self.bfloat16 = name == "torch_bf16"
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
        with self.torch.inference_mode(), self._autocast():
            result = self.networks[work](self.x if work == "encode" else self.noise)
            return float(result.float().abs().mean())

    def _autocast(self):
        return self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.bfloat16)

    def _train(self):
        torch = self.torch
        with self._autocast():
            recon, _, mean, logvar = [result.float() for result in self.networks["train"](self.x, self.noise)]
        frames = self.x.shape[2]
        kl = 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).sum()
        loss = ((recon - self.x).abs().sum() + 1e-6 * kl) / frames
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        self.optimizer.step()
        return float(loss.detach())


class OnnxContender:
    """Our ONNX files in onnxruntime or OpenVINO, inference alone.

    Args:
        name: "onnxruntime", "openvino", or "openvino_bf16", whose products are of bfloat16.
        size: (t, h, w) in frames and pixels.
        folder: holds encoder.onnx and decoder.onnx.
    """

    def __init__(self, name, size, folder):
        self.name = name
        x, noise = inputs(size)
        self.given = {"encode": {"x": x}, "decode": {"z": noise}}
        self.files = {"encode": Path(folder, "encoder.onnx"), "decode": Path(folder, "decoder.onnx")}
        self.ready = {}

    def prepare(self, work):
        """Nothing: what takes time belongs to the first call, as with the others."""

    def run(self, work):
        """As MindSporeContender.run."""
        if work not in self.ready:
            self.ready[work] = self._onnxruntime(work) if self.name == "onnxruntime" else self._openvino(work)
        # mean and logvar side by side, as our encoder gives them; a decoder's pixels alone
        return float(np.abs(np.concatenate(self.ready[work](), axis=1)).mean())

    def _onnxruntime(self, work):
        import onnxruntime

        session = onnxruntime.InferenceSession(str(self.files[work]), providers=["CPUExecutionProvider"])
        return lambda: session.run(None, self.given[work])

    def _openvino(self, work):
        import openvino

        core = openvino.Core()
        model = core.read_model(str(self.files[work]))
        # of one shape, as our graph is compiled for one
        model.reshape({name: list(array.shape) for name, array in self.given[work].items()})
        precision = "bf16" if self.name == "openvino_bf16" else "f32"
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
        return lambda: list(compiled(self.given[work]).values())


def build(name, widths, size, graphs=None):
    """The contender of that name; graphs: a folder for ours' compiled graphs, or of the ONNX files."""
    if name.startswith("torch"):
        return TorchContender(name, widths, size)
    if name in ("onnxruntime", "openvino", "openvino_bf16"):
        return OnnxContender(name, size, graphs)
    return MindSporeContender(name, widths, size, graphs)
