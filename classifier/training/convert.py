"""Packaging: the float network as an int8 LiteRT file, and how far both say the same."""

from __future__ import annotations

import contextlib
import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.networks.framework import load_tensorflow
from wsi.process.silence import native_stderr_silenced

# Under this share of equal labels an int8 file must not stand in for the network.
MIN_AGREEMENT = 0.99


def to_litert_int8(network: Any, representative: NDArray[np.uint8], kept: Sequence[str] = ()) -> bytes:
    """A LiteRT file of a Keras network: int8 weights and activations, uint8 tiles in, float32 outputs.

    `representative` (n, side, side, channels) uint8 are training tiles as the network takes them; their activations set
    the int8 scales (Jacob et al. 2018, arXiv:1712.05877). Layers whose names begin with one of `kept` stay float32.
    Built-in LiteRT operators only: anything else would need code
    beside the file.
    """
    tf = load_tensorflow()

    def tiles_one_by_one() -> Iterator[list[NDArray[np.uint8]]]:
        for tile in representative:
            yield [tile[None]]

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = tiles_one_by_one
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    # The converter prints to stdout, which belongs to the command that called us.
    with contextlib.redirect_stdout(io.StringIO()), native_stderr_silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(_convert_all_but(converter, representative[:1], kept) if kept else converter.convert())


def _convert_all_but(converter: Any, tiles: NDArray[np.uint8], kept: Sequence[str]) -> bytes:
    """The int8 file with the layers `kept` in float32, and the last ones, which have no name of their own."""
    lite = load_tensorflow().lite.experimental
    debugger = lite.QuantizationDebugger(converter=converter, debug_dataset=lambda: ([one[None]] for one in tiles))
    debugger.run()
    told = io.StringIO()
    debugger.layer_statistics_dump(told)
    names = [
        name
        for name in (row["tensor_name"] for row in csv.DictReader(told.getvalue().splitlines()))
        # `network/stem_relu/Relu6;network/stem_bn/...`; the network's outputs are called after the call.
        if "/" not in name or any(part.partition("/")[2].startswith(tuple(kept)) for part in name.split(";"))
    ]
    debugger.options = lite.QuantizationDebugOptions(denylisted_nodes=names)
    return bytes(debugger.get_nondebug_quantized_model())


def to_litert_float32(network: Any) -> bytes:
    """A LiteRT file of a Keras network as it is: uint8 tiles in, float32 weights, activations and outputs."""
    tf = load_tensorflow()
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    with contextlib.redirect_stdout(io.StringIO()), native_stderr_silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(converter.convert())


def label_agreement(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Share of tiles to which logits or probabilities (n, c) of two runtimes give the same class."""
    return float((first.argmax(axis=1) == second.argmax(axis=1)).mean())
