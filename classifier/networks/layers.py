"""The layers that the networks are made of: each convolution is followed by batch normalisation."""

from __future__ import annotations

from typing import Any

from classifier.networks.framework import load_keras

BATCH_NORM_MOMENTUM = 0.95


def convolution(x: Any, width: int, size: int, stride: int, name: str) -> Any:
    keras = load_keras()

    x = keras.layers.Conv2D(
        width,
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return batch_normalisation(x, name)


def depthwise_convolution(x: Any, size: int, stride: int, name: str) -> Any:
    keras = load_keras()

    x = keras.layers.DepthwiseConv2D(
        size,
        strides=stride,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return batch_normalisation(x, name)


def batch_normalisation(x: Any, name: str) -> Any:
    keras = load_keras()

    return keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
