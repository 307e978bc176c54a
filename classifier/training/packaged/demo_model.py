"""Makes the demonstration model: `python -m classifier.training.packaged.demo_model --out DIR`.

Synthetic throughout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from classifier.model_folder.about import SYNTHETIC
from classifier.model_folder.card import ModelCard
from classifier.model_folder.find import DEMO_MODEL
from classifier.networks.residual_cnn import Block, ResidualCnn
from classifier.progress import ProgressCallback, quiet
from classifier.training.augment import Augmentation
from classifier.training.packaged.by_hand import train_by_hand
from classifier.training.packaged.demo_tiles import write_demo_tiles
from classifier.training.recipe import TrainConfig
from classifier.training.request import TrainRequest
from classifier.training.train import train
from tiler.spec import TileSpec

SHEETS = 35
TILES_A_SHEET = 32
RECIPE = TrainConfig(
    epochs=12,
    tile=TileSpec(128, 1.0),
    crop_px=112,
    network=ResidualCnn(16, (Block(16, 1), Block(32, 2), Block(64, 2)), dropout=0.1),
    augmentation=Augmentation(
        scale=0.12, stain_gain=0.2, stain_shift=0.05, brightness=0.08, hue_share=0.0, blur_sigma_px=0.8
    ),
    hold_out_share=0.2,
    false_alarm_rate=0.005,
)


def make_demo_model(
    out: Path, *, sheets: int = SHEETS, config: TrainConfig = RECIPE, progress: ProgressCallback = quiet
) -> ModelCard:
    """Paints tiles into a temporary folder, trains on them and writes the model to `out`."""
    with tempfile.TemporaryDirectory(prefix="pulmoscope-demo-") as folder:
        tiles = write_demo_tiles(
            Path(folder), config.tile, sheets=sheets, tiles_a_sheet=TILES_A_SHEET, seed=config.seed, progress=progress
        )
        command = "python -m classifier.training.packaged.demo_model --out DIR"
        request = TrainRequest(tiles, out, config, name=DEMO_MODEL, about=SYNTHETIC, command=command)
        return train(request, progress)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m classifier.training.packaged.demo_model", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    out = parser.parse_args().out
    return train_by_hand(lambda show: make_demo_model(out, progress=show))


if __name__ == "__main__":
    sys.exit(main())
