"""A network that was imported as ONNX, run by ONNX Runtime: features to our own head, or a classifier's answers as they
are. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from classifier.model_folder.card import ModelCard
from classifier.networks.imported import PROBABILITIES, ImportedNetwork
from classifier.networks.onnx_file.check import check_onnx
from classifier.networks.shape import FEATURES
from classifier.runtimes.onnx_session import OnnxSession, need_onnx_runtime
from classifier.runtimes.onnx_trial import limits_for, try_network
from classifier.runtimes.runtime import Floats
from wsi.errors import ModelError
from wsi.process.cores import usable_cores
from wsi.process.limits import memory_is_limited

ONNX = "onnx"
KERNEL, BIAS = "logits/kernel", "logits/bias"
# Half precision sums to 1 within this.
_SUM_TOLERANCE = 0.02
_LEAST_PROBABILITY = 1e-7

Head = Mapping[str, NDArray[np.float32]]


class OnnxRuntime:
    """Raises ModelError where the file is none that may be opened, or is not what the card says.

    A call runs on one core, calls from several threads side by side; with `threads` None a call takes all cores.
    """

    name = ONNX

    def __init__(self, card: ModelCard, content: bytes, head: Head | None, threads: int | None = None) -> None:
        need_onnx_runtime()
        shape = card.network
        if not isinstance(shape, ImportedNetwork):
            raise ModelError(f"{card.name} has no network in ONNX")
        network = check_onnx(content)
        if network.outputs != (shape.output,) or network.size_px not in (None, card.tile.size_px):
            raise ModelError("the network in ONNX is of another shape than its card", hint="import it again")
        if not memory_is_limited():
            # A model's folder comes from strangers like the file did: first elsewhere, then here.
            try_network(content, shape, card.tile.size_px, limits_for(content))
        self._shape, self._classes = shape, len(card.outputs)
        self._session = OnnxSession(content, network, shape, usable_cores() if threads is None else 1)
        self.set_head(head)

    def set_head(self, head: Head | None) -> None:
        """The last layer, ``logits/kernel`` (d, c) and ``logits/bias`` (c,), None for a classifier. Or ModelError."""
        if self._shape.gives != FEATURES:
            if self._shape.features != self._classes:
                raise ModelError("the network gives as many values as its card names classes, or it is another one")
            return
        shapes = {KERNEL: (self._shape.features, self._classes), BIAS: (self._classes,)}
        for name, shape in shapes.items():
            array = (head or {}).get(name)
            if array is None or array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
                raise ModelError(f"weights {name} are missing or do not fit the card")
        assert head is not None
        if set(head) != set(shapes):
            raise ModelError("the weights do not belong to the architecture that the card names")
        self._kernel, self._bias = head[KERNEL], head[BIAS]

    def forward(self, stacked: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """As `Runtime.forward`: logits (b, c) and features (b, d) of tiles (b, size, size, 3)."""
        found = self._session.run(stacked)
        if found.shape != (len(stacked), self._shape.features):
            raise ModelError(f"the network gives {found.shape[1]} values a tile, its card says {self._shape.features}")
        if not np.isfinite(found).all():
            raise ModelError("the network gives values that are no finite numbers")
        if self._shape.gives == FEATURES:
            return found @ self._kernel + self._bias, found
        return (_as_logits(found) if self._shape.gives == PROBABILITIES else found), found

    def activation_map(self, stacked: NDArray[np.uint8]) -> Floats:
        """A network of unknown layers gives none (b, rows, columns, c): raises ModelError."""
        raise ModelError("a network that was imported as ONNX gives no map of its evidence")


def _as_logits(probabilities: Floats) -> Floats:
    """(b, c) whose softmax is the probabilities. Raises ModelError where they are none."""
    if (probabilities < 0).any() or np.abs(probabilities.sum(axis=1) - 1).max() > _SUM_TOLERANCE:
        raise ModelError("the network's values are no probabilities, as its card says", hint="import it again")
    return np.asarray(np.log(np.maximum(probabilities, _LEAST_PROBABILITY)), np.float32)
