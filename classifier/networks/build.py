"""The Keras model of a network's shape, and its weights as plain arrays. Reads no file and knows no class's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifier.networks.framework import load_keras
from classifier.networks.shape import NetworkShape, check_size
from wsi.errors import ModelError


def build_network(shape: NetworkShape, classes: int, size_px: int) -> Any:
    """A Keras model for tiles of `size_px`, shown as their fields: see `fields.stack_fields`. In: uint8 (n, side, side,
    3 * fields). Out, float32: logits (n, classes), features (n, d), and the class activation map (n, rows, columns,
    classes) of the widest field (Zhou et al. 2016, arXiv:1512.04150), whose mean over rows and columns is the logits.

    Raises ModelError where the sizes do not fit.
    """
    keras = load_keras()

    check_size(shape, size_px, classes)
    side_px = size_px // max(shape.fields)
    stacked = keras.Input((side_px, side_px, 3 * len(shape.fields)), dtype="uint8", name="tiles")
    maps = _feature_maps(shape, stacked, side_px)
    means = [keras.layers.GlobalAveragePooling2D(name=f"mean{i}")(one) for i, one in enumerate(maps)]
    features = keras.layers.Concatenate(name="features")(means) if len(means) > 1 else means[0]
    # From zero: pretrained features are large, and a random last layer would start out sure and wrong.
    classify = keras.layers.Dense(classes, kernel_initializer="zeros", name="logits")
    logits = classify(keras.layers.Dropout(shape.dropout, name="dropout")(features))
    return keras.Model(stacked, [logits, features, classify(_with_means(maps[0], means[1:]))], name="tile_network")


def network_weights(network: Any) -> dict[str, NDArray[np.float32]]:
    """Weights by variable path, e.g. ``stem_conv/kernel``, batch-norm statistics included."""
    return {variable.path: np.asarray(variable, np.float32) for variable in _weight_variables(network)}


def set_network_weights(network: Any, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Assigns `weights` by path. Raises ModelError unless names and shapes match exactly and all are finite."""
    variables = {variable.path: variable for variable in _weight_variables(network)}
    if set(variables) != set(weights):
        raise ModelError("the weights do not belong to the architecture that the card names")
    for path, variable in variables.items():
        array = weights[path]
        if array.shape != tuple(variable.shape) or array.dtype != np.float32:
            raise ModelError(f"weights {path} are {array.dtype} {array.shape}, the card asks for {variable.shape}")
        if not np.isfinite(array).all():
            raise ModelError(f"weights {path} hold values that are not finite")
        variable.assign(array)


def _weight_variables(network: Any) -> Sequence[Any]:
    return [variable for variable in network.weights if "seed_generator" not in variable.path]


def _feature_maps(shape: NetworkShape, stacked: Any, side_px: int) -> list[Any]:
    keras = load_keras()

    if len(shape.fields) == 1:
        return [shape.trunk(stacked)]
    # One set of weights for all fields.
    pixels = keras.Input((side_px, side_px, 3), dtype="uint8", name="field")
    trunk = keras.Model(pixels, shape.trunk(pixels), name="trunk")
    return [trunk(stacked[..., 3 * i : 3 * i + 3]) for i in range(len(shape.fields))]


def _with_means(first_map: Any, other_means: Sequence[Any]) -> Any:
    """(n, rows, columns, d): the other fields' features stand the same at every place of the first field's map."""
    keras = load_keras()

    if not other_means:
        return first_map
    spread = [
        keras.layers.UpSampling2D(first_map.shape[1:3])(keras.layers.Reshape((1, 1, mean.shape[-1]))(mean))
        for mean in other_means
    ]
    return keras.layers.Concatenate(name="map_and_means")([first_map, *spread])
