"""What is asked of one training: the tiles, the recipe, where it starts from, and what the card is to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from classifier.dataset.tile_list import TileSet
from classifier.model_folder.about import YOUR_OWN, About
from classifier.training.base import Base, read_base
from classifier.training.encoder.head import Encoder, open_encoder
from classifier.training.recipe import TrainConfig, fine_tuning
from wsi.errors import UsageError

COMMAND = "pulmoscope train TILES --out MODEL_DIR"


@dataclass(frozen=True)
class TrainRequest:
    """`base` is what the training starts from: the one that `recipe` names. `name` defaults to the folder's; `command`
    is what the card says made it, `further` what it tells besides, JSON-ready. With an `encoder` only a head is
    trained, on its features."""

    tiles: Path | TileSet
    out: Path
    recipe: TrainConfig = field(default_factory=TrainConfig)
    base: Base | None = None
    name: str = ""
    about: About = YOUR_OWN
    command: str = COMMAND
    further: Mapping[str, Any] = field(default_factory=dict)
    encoder: Encoder | None = None

    @classmethod
    def from_options(
        cls,
        tiles: Path,
        out: Path,
        *,
        base: str | None = None,
        encoder: Path | None = None,
        name: str | None = None,
        **changes: Any,
    ) -> TrainRequest:
        """From the options of `pulmoscope train`; None stands for the recipe's own (`epochs`, `seed`, `background`).

        Raises UsageError, ModelError (of the base).
        """
        changes = {key: value for key, value in changes.items() if value not in (None, ())}
        if encoder is not None:
            if base is not None:
                raise UsageError(
                    "--base trains a network further, --encoder leaves it as it is", hint="give one of them"
                )
            taken = open_encoder(encoder)
            recipe, command = taken.recipe(changes), f"{COMMAND} --encoder FOLDER"
            return cls(tiles, out, recipe, encoder=taken, name=name or "", command=command)
        start = read_base(base) if base is not None else None
        recipe = fine_tuning(start.name, start.network, start.tile) if start is not None else TrainConfig()
        if start is not None:
            recipe = replace(recipe, tissues=start.tissues)
        if "epochs" in changes:
            changes["min_steps"] = 0  # as many as were asked for, few tiles or not
        return cls(tiles, out, replace(recipe, **changes), start, name=name or "")
