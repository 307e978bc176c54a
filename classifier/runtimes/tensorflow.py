"""The float32 reference: the network rebuilt from the card and run by TensorFlow. Imports TensorFlow when built."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from classifier.model_folder.card import ModelCard
from classifier.networks.build import build_network, set_network_weights
from classifier.networks.framework import load_tensorflow
from classifier.runtimes.runtime import Floats

TENSORFLOW = "tensorflow"


class TensorFlowRuntime:
    """Raises ModelError where the weights do not fit the card."""

    name = TENSORFLOW

    def __init__(self, card: ModelCard, weights: Mapping[str, NDArray[np.float32]], threads: int | None = None) -> None:
        tf = load_tensorflow()

        if threads is not None:
            _limit_threads(threads)
        network = build_network(card.network, len(card.outputs), card.tile.size_px)
        set_network_weights(network, weights)
        # tf.function and not model.predict, which is slower and grows in memory when called in a loop.
        signature = [tf.TensorSpec(network.input_shape, tf.uint8)]
        # Two functions: TensorFlow computes of each only what it returns.
        self._forward = tf.function(lambda tiles: network(tiles, training=False)[:2], input_signature=signature)
        self._map = tf.function(lambda tiles: network(tiles, training=False)[2], input_signature=signature)

    def forward(self, stacked: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """As `Runtime.forward`: logits (b, c) and features (b, d) of stacked fields (b, side, side, 3 * fields)."""
        logits, features = self._forward(stacked)
        return logits.numpy(), features.numpy()

    def activation_map(self, stacked: NDArray[np.uint8]) -> Floats:
        """As `Runtime.activation_map`: (b, rows, columns, c) of the same batch."""
        return self._map(stacked).numpy()


def _limit_threads(threads: int) -> None:
    import contextlib

    tf = load_tensorflow()

    # TensorFlow refuses a change once it has run anything; its threads then stay as they are.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
