"""What a training starts from: nothing, ImageNet's weights, or another model of ours (transfer learning)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.model_folder.arrays import unpack_arrays
from classifier.model_folder.card import WEIGHTS_FILE
from classifier.model_folder.files import read_folder
from classifier.model_folder.find import find_model
from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.imagenet import imagenet_weights
from classifier.networks.shape import NetworkShape
from tiler.spec import TileSpec
from wsi.errors import ModelError

EFFICIENTNET = EfficientNetLite.name
HEAD = "logits/"


@dataclass(frozen=True)
class Base:
    """`name` goes into the card; of a model it ends with its card's SHA-256. `classes` is empty where the weights have
    no last layer to keep, `tile` None where any will do."""

    name: str
    network: NetworkShape
    weights: Mapping[str, NDArray[np.float32]]
    classes: tuple[str, ...] = ()
    tile: TileSpec | None = None
    tissues: tuple[str, ...] = ()

    def weights_for(self, classes: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The weights to start from: without the last layer, unless it tells the very same classes apart."""
        keep_head = tuple(classes) == self.classes
        return {path: array for path, array in self.weights.items() if keep_head or not path.startswith(HEAD)}


def read_base(name_or_path: str | Path) -> Base:
    """``efficientnet-lite0``, or a model by name or folder. Raises ModelNotFoundError, ModelDigestError, ModelError."""
    if str(name_or_path) == EFFICIENTNET:
        network = EfficientNetLite()
        return Base(EFFICIENTNET, network, imagenet_weights(network))
    folder = read_folder(find_model(name_or_path))
    card = folder.card
    if card.network.in_a_file:
        raise ModelError(
            f"the network of {card.name} was made elsewhere and cannot be trained further",
            hint="import it without --classes and give it with --encoder",
        )
    weights = {
        path: np.asarray(array, np.float32)
        for path, array in unpack_arrays(folder.contents[WEIGHTS_FILE], WEIGHTS_FILE).items()
    }
    return Base(f"{card.name} {card.digest}", card.network, weights, card.outputs, card.tile, card.tissues)
