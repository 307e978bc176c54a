"""How a model is trained: every number in one frozen record. The defaults train from nothing."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from classifier.networks.catalog import read_architecture, write_architecture
from classifier.networks.efficientnet_lite import EfficientNetLite
from classifier.networks.residual_cnn import ResidualCnn
from classifier.networks.shape import NetworkShape, smallest_tile_px
from classifier.training.augment import OTHER_LABORATORIES, Augmentation
from tiler.spec import TileSpec
from wsi.errors import UsageError

_WHERE_SET = ("tissues", "white")


@dataclass(frozen=True)
class TrainConfig:
    """One training. `background` is the class that is no tumour, `tissues` are further ones; `tile` is what the
    model is shown on a slide.

    Trained on random crops of `crop_px` (at the tile's mpp): cheaper than whole tiles, and augmentation besides.
    `balanced` batches draw every class alike, within it every laboratory (site) and within that every source group, so
    that no class is learned as the look of the laboratory that has most of it. `whole_tiles` crops from tiles as they
    are in the list, and not from their centres. `probe` starts from a linear classifier on the base's features
    (`classifier.training.probe`), which holds only where batch normalisation keeps to the base's statistics
    (`frozen_normalisation`). With `white` each source group's white is set before anything else is done to its tiles,
    and so will a slide's be. `priors` are how often each class is met in use, in any unit (1 where none is given), of
    which batches that draw classes alike have taught nothing; of a probe only.
    `hold_out_share` of the training groups is never trained on; it sets temperature and familiarity threshold.
    `false_alarm_rate` is the share of known tissue that the familiarity threshold may turn away. `base` names what the
    training starts from, "" for nothing. With few tiles there are more epochs, until there are `min_steps` batches.
    """

    base: str = ""
    epochs: int = 16
    min_steps: int = 0
    seed: int = 7
    background: str = "normal"
    tissues: tuple[str, ...] = ()
    tile: TileSpec = field(default_factory=lambda: TileSpec(224, 1.0))
    crop_px: int = 176
    network: NetworkShape = field(default_factory=ResidualCnn)
    augmentation: Augmentation = field(default_factory=Augmentation)
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    ema_decay: float = 0.995
    balanced: bool = False
    whole_tiles: bool = False
    probe: bool = False
    white: bool = False
    priors: Mapping[str, float] = field(default_factory=dict)
    frozen_normalisation: bool = False
    hold_out_share: float = 0.1
    false_alarm_rate: float = 0.02

    def __post_init__(self) -> None:
        bounds = {
            "epochs": (0 if self.probe else 1, 1000),
            "min_steps": (0, 1_000_000),
            "seed": (0, 2**31 - 1),
            "batch_size": (2, 1024),
            "learning_rate": (1e-7, 1.0),
            "hold_out_share": (0.01, 0.5),
            "false_alarm_rate": (0.001, 0.5),
            "ema_decay": (0.0, 0.99999),
            "label_smoothing": (0.0, 0.5),
            "crop_px": (smallest_tile_px(self.network), self.tile.size_px),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} {getattr(self, name)} is outside {low:g} to {high:g}")

    def to_dict(self) -> dict[str, Any]:
        return {
            # Without them a recipe reads as it did before there were any: its trainings go on.
            **{
                name: getattr(self, name)
                for name in self.__dataclass_fields__
                if name not in _WHERE_SET or getattr(self, name)
            },
            "priors": dict(self.priors),
            "tile": {"size_px": self.tile.size_px, "mpp": self.tile.mpp},
            "network": write_architecture(self.network),
            "augmentation": self.augmentation.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        return cls(
            **{
                **values,
                "tissues": tuple(values.get("tissues", ())),
                "tile": TileSpec(**values["tile"]),
                "network": read_architecture(values["network"]),
                "augmentation": Augmentation.from_dict(values["augmentation"]),
            }
        )

    def for_tiles(self, tiles: int) -> TrainConfig:
        """This recipe for a training on that many tiles: with as many epochs as `min_steps` asks for."""
        steps = max(1, tiles // self.batch_size)
        return replace(self, epochs=min(1000, max(self.epochs, math.ceil(self.min_steps / steps))))

    def digest(self, data_digest: str) -> str:
        """Hex SHA-256 of this recipe on that data: a checkpoint of another one is not taken up."""
        text = json.dumps([self.to_dict(), data_digest], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def fine_tuning(base: str, network: NetworkShape, tile: TileSpec | None = None) -> TrainConfig:
    """The recipe for a training that starts from the weights of `base`: shorter, and with a quicker average.

    Of lung-v1, too. `tile` defaults to 224 px at 1.0 um/px.
    """
    tile = tile or TileSpec(224, 1.0)
    if isinstance(network, EfficientNetLite) and network.taps:
        return _probing(base, network, tile)
    step_px = 2 * max(network.fields)
    crop_px = max(smallest_tile_px(network), tile.size_px * 6 // 7) // step_px * step_px
    return TrainConfig(
        base=base,
        network=network,
        tile=tile,
        crop_px=min(crop_px, tile.size_px),
        epochs=10,
        min_steps=240,
        learning_rate=1e-3,
        label_smoothing=0.0,
        ema_decay=0.99,
    )


def _probing(base: str, network: EfficientNetLite, tile: TileSpec) -> TrainConfig:
    """For a tapped network: a linear classifier on its features, which is fitted in minutes and forgets nothing."""
    return TrainConfig(
        base=base,
        network=network,
        tile=tile,
        crop_px=max(smallest_tile_px(network), tile.size_px * 5 // 6),
        epochs=0,
        augmentation=OTHER_LABORATORIES,
        balanced=True,
        whole_tiles=True,
        probe=True,
        white=True,
        frozen_normalisation=True,
        learning_rate=2e-4,
        label_smoothing=0.05,
        ema_decay=0.99,
    )
