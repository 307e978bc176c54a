"""lung-v1's own network in torch, for tools that run torch: float32, with the packaged weights.

In an environment with torch: `python benchmarks/others/network.py OUT.pt` writes it as TorchScript. Tiles (n, 3, 224,
224) of 0 to 1 at 1.0 um/px go in, logits (n, 3) come out. Its one field is the mean of 2 x 2 px, 112 px at 2.0 um/px;
batch normalisation is folded into the convolutions.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

MODEL = Path(__file__).parents[2] / "classifier" / "models" / "lung-v1"
CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
SIDE_PX, MPP = 224, 1.0
# All else of the network's shape can be read off its weights.
_STRIDED_BLOCKS = (1, 3, 5)
_KERAS_EPSILON = 1e-3


class Network(nn.Module):
    """EfficientNet-Lite0's first four stages (Tan and Le 2019, arXiv:1905.11946), their mean, one linear layer."""

    def __init__(self, weights):
        super().__init__()
        blocks = [
            name.removesuffix("_project_conv/kernel") for name in weights if name.endswith("_project_conv/kernel")
        ]
        numbers = sorted(int(name.removeprefix("block")) for name in blocks)
        trunk = [_Block(weights, f"block{number}", 2 if number in _STRIDED_BLOCKS else 1) for number in numbers]
        self.trunk = nn.Sequential(_convolution(weights, "stem", 2), nn.ReLU6(), *trunk)
        self.logits = nn.Linear(*weights["logits/kernel"].shape)
        self.logits.weight.data = torch.from_numpy(weights["logits/kernel"].T.copy())
        self.logits.bias.data = torch.from_numpy(weights["logits/bias"])

    def forward(self, tiles):
        field = nn.functional.avg_pool2d(tiles * 255.0, 2)
        return self.logits(self.trunk((field - 127.0) / 128.0).mean((2, 3)))


class _Block(nn.Module):
    """An inverted residual block (Sandler et al. 2018, arXiv:1801.04381)."""

    def __init__(self, weights, name, stride):
        super().__init__()
        expands = f"{name}_expand_conv/kernel" in weights
        wide = [_convolution(weights, f"{name}_expand"), nn.ReLU6()] if expands else []
        deep = [_convolution(weights, f"{name}_depthwise", stride), nn.ReLU6()]
        self.inner = nn.Sequential(*wide, *deep, _convolution(weights, f"{name}_project"))
        into = weights[f"{name}_{'expand' if expands else 'depthwise'}_conv/kernel"].shape[2]
        self.residual = stride == 1 and into == weights[f"{name}_project_conv/kernel"].shape[3]

    def forward(self, x):
        return x + self.inner(x) if self.residual else self.inner(x)


def _convolution(weights, name, stride=1):
    depthwise = name.endswith("depthwise")
    kernel = weights[f"{name}_conv/kernel"].transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    gamma, beta, mean, variance = (
        weights[f"{name}_bn/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + _KERAS_EPSILON)
    out, into, side_px, _ = kernel.shape
    groups = out if depthwise else 1
    layer = nn.Conv2d(into * groups, out, side_px, stride, 0 if stride == 2 else side_px // 2, groups=groups)
    layer.weight.data = torch.from_numpy(kernel * scale[:, None, None, None])
    layer.bias.data = torch.from_numpy(beta - mean * scale)
    # TensorFlow's "same" at stride 2 on an even side: one less before than behind.
    before, behind = (side_px - 2) // 2, (side_px - 1) // 2
    return layer if stride == 1 else nn.Sequential(nn.ZeroPad2d((before, behind, before, behind)), layer)


def load():
    return Network(dict(np.load(MODEL / "weights.npz"))).eval()


if __name__ == "__main__":
    torch.jit.script(load()).save(sys.argv[1])
