"""The packaged network, in int8 or float32, under LiteRT, TensorFlow's small runtime: runs without TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.model_folder.card import ModelCard
from classifier.networks.shape import features_of
from classifier.runtimes.runtime import Floats
from wsi.errors import ModelError
from wsi.process.silence import native_stderr_silenced

LITERT_INT8, LITERT_FLOAT32 = "litert-int8", "litert-float32"
# Tiles that go through the network together. What a few take between two layers stays in a core's cache, that of 32
# does not (lung-v2: 3.2 and 3.5 ms a tile, and 160 MB less on two threads). In int8 each tile's figures are its own to
# the last bit, whatever goes with it; in float32 nobody promises that, so there it stays as it was.
_AT_ONCE = {LITERT_INT8: 4, LITERT_FLOAT32: 32}


class LiteRtRuntime:
    """Raises ModelError where `content` is no network of the card's shape.

    A call runs on one core; calls from several threads run side by side, each on an interpreter of its own.
    """

    def __init__(self, card: ModelCard, content: bytes, name: str = LITERT_INT8) -> None:
        self.name = name
        self._card = card
        self._content = content
        self._at_once = _AT_ONCE[name]
        self._idle = [_Network(card, content)]
        self._lock = threading.Lock()

    def forward(self, stacked: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """As `Runtime.forward`: logits (b, c) and features (b, d) of stacked fields (b, side, side, 3 * fields)."""
        logits, features = [], []
        with self._network() as network:
            for start in range(0, len(stacked), self._at_once):
                network.run(stacked[start : start + self._at_once])
                logits.append(network.logits())
                features.append(network.features())
        return np.concatenate(logits), np.concatenate(features)

    def activation_map(self, stacked: NDArray[np.uint8]) -> Floats:
        """As `Runtime.activation_map`: (b, rows, columns, c) of the same batch."""
        with self._network() as network:
            network.run(stacked)
            return network.activation_map()

    @contextmanager
    def _network(self) -> Iterator[_Network]:
        with self._lock:
            network = self._idle.pop() if self._idle else None
        network = network or _Network(self._card, self._content)
        try:
            yield network
        finally:
            with self._lock:
                self._idle.append(network)


class _Network:
    """One interpreter. Not for two threads at once."""

    def __init__(self, card: ModelCard, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            # The cores are taken by calls side by side, each with a batch of its own.
            with native_stderr_silenced():
                self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
            self._input = self._interpreter.get_input_details()[0]
            logits, features, activation = self._sorted_outputs()
        except (ValueError, RuntimeError, IndexError) as error:
            raise ModelError("the LiteRT file cannot be read", hint="get the model again from its maker") from error
        parts = (self._input, logits, features, activation)
        if (self._input["dtype"], *(tuple(part["shape"][1:]) for part in parts)) != (np.uint8, *_shapes(card)):
            raise ModelError("the LiteRT file is of another shape than its card", hint="package the model again")
        self._outputs = logits["index"], features["index"], activation["index"]
        self._batch = 0

    def run(self, stacked: NDArray[np.uint8]) -> None:
        try:
            self._resize(len(stacked))
            self._interpreter.set_tensor(self._input["index"], stacked)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelError("the LiteRT file does not run", hint="use the runtime tensorflow") from error

    def logits(self) -> Floats:
        return self._output(0)

    def features(self) -> Floats:
        return self._output(1)

    def activation_map(self) -> Floats:
        return self._output(2)

    def _output(self, number: int) -> Floats:
        found: Floats = self._interpreter.get_tensor(self._outputs[number])
        return found

    def _resize(self, batch: int) -> None:
        # Allocating costs more than a batch, so only where the batch size changes.
        if batch != self._batch:
            self._interpreter.resize_tensor_input(self._input["index"], (batch, *self._input["shape"][1:]))
            with native_stderr_silenced():
                self._interpreter.allocate_tensors()
            self._batch = batch

    def _sorted_outputs(self) -> list[Any]:
        """Logits, features, activation map: the converter numbers a network's outputs in their order."""
        return sorted(self._interpreter.get_output_details(), key=lambda details: details["name"])


def _shapes(card: ModelCard) -> tuple[tuple[int, ...], ...]:
    """Of the network's input, logits, features and activation map, without the batch."""
    network, classes = card.network, len(card.outputs)
    side_px = card.tile.size_px // max(network.fields)
    map_px = -(-side_px // network.trunk_stride)
    return (side_px, side_px, 3 * len(network.fields)), (classes,), (features_of(network),), (map_px, map_px, classes)
