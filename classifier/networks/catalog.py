"""The networks by the name that a card gives them. A network's module is loaded for a card that names it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from classifier.networks.shape import NetworkShape
from wsi.errors import ModelError

NETWORKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "residual-cnn": ("classifier.networks.residual_cnn", "ResidualCnn"),
        "efficientnet-lite0": ("classifier.networks.efficientnet_lite", "EfficientNetLite"),
        "onnx": ("classifier.networks.imported", "ImportedNetwork"),
    }
)
"""Module and class."""


def network_class(name: object) -> type[NetworkShape]:
    """Raises ModelError where no network has that name."""
    if not isinstance(name, str) or name not in NETWORKS:
        raise ModelError(f"the architecture is none of {', '.join(NETWORKS)}")
    module, attribute = NETWORKS[name]
    found: type[NetworkShape] = getattr(import_module(module), attribute)
    return found


def read_architecture(architecture: Mapping[str, Any]) -> NetworkShape:
    """The network that a card's ``{"name", "parameters"}`` describes; raises ModelError where there is none."""
    network, parameters = network_class(architecture.get("name")), architecture.get("parameters")
    if not isinstance(parameters, Mapping):
        raise ModelError("the architecture has no parameters")
    return network.from_dict(parameters)


def write_architecture(shape: NetworkShape) -> dict[str, Any]:
    """What `read_architecture` reads."""
    return {"name": shape.name, "parameters": shape.to_dict()}
