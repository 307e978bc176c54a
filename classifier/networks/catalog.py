"""The networks by the name that a card gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.imported import ImportedNetwork
from classifier.networks.residual_cnn import ResidualCnn
from classifier.networks.shape import NetworkShape
from wsi.errors import ModelError

NETWORKS: tuple[type[NetworkShape], ...] = (ResidualCnn, EfficientNetLite, ImportedNetwork)


def read_architecture(architecture: Mapping[str, Any]) -> NetworkShape:
    """The network that a card's ``{"name", "parameters"}`` describes; raises ModelError where there is none."""
    name, parameters = architecture.get("name"), architecture.get("parameters")
    found = next((network for network in NETWORKS if network.name == name), None)
    if found is None or not isinstance(parameters, Mapping):
        raise ModelError(f"the architecture is none of {', '.join(network.name for network in NETWORKS)}")
    return found.from_dict(parameters)


def write_architecture(shape: NetworkShape) -> dict[str, Any]:
    """What `read_architecture` reads."""
    return {"name": shape.name, "parameters": shape.to_dict()}
