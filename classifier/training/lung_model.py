"""Makes the packaged lung model: `python -m classifier.training.lung_model TILES --out DIR`.

The same training as `pulmoscope train TILES --out DIR --base efficientnet-lite0`; only the card's words are its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from classifier.evaluation.intervals import Figure
from classifier.model import DEFAULT_MODEL
from classifier.model_folder.about import LUNG
from classifier.progress import Progress
from classifier.training.base import EFFICIENTNET, read_base
from classifier.training.recipe import fine_tuning
from classifier.training.request import TrainRequest
from classifier.training.train import train
from wsi.errors import PulmoscopeError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m classifier.training.lung_model", description=__doc__)
    parser.add_argument("tiles", type=Path, help="the CSV of lung tiles")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--further", type=Path, help="JSON of figures measured apart, for the card")
    arguments = parser.parse_args()

    def show(progress: Progress) -> None:
        print(f"\r{progress!s:<100}", end="", file=sys.stderr, flush=True)

    try:
        further = json.loads(arguments.further.read_text(encoding="utf-8")) if arguments.further else None
        base = read_base(EFFICIENTNET)
        config = replace(fine_tuning(base.name, base.network), seed=arguments.seed)
        command = f"pulmoscope train TILES --out MODEL_DIR --base {EFFICIENTNET} --seed {arguments.seed}"
        request = TrainRequest(
            arguments.tiles, arguments.out, config, base, DEFAULT_MODEL, LUNG, command, further=further or {}
        )
        card = train(request, show)
    except PulmoscopeError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_code
    print(f"\n{card.name} {card.version}: {Figure.from_dict(card.metrics['val']['figures']['accuracy'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
