"""Makes the packaged lung model: `python -m classifier.lung_model TILES --out DIR`.

The same training as `pulmoscope train TILES --out DIR` with its defaults; only the words of the card are its own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from classifier.about import LUNG
from classifier.model import DEFAULT_MODEL
from classifier.progress import Progress
from classifier.train import train
from wsi.errors import PulmoscopeError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m classifier.lung_model", description=__doc__)
    parser.add_argument("tiles", type=Path, help="the CSV of lung tiles")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the model to")
    arguments = parser.parse_args()

    def show(progress: Progress) -> None:
        print(f"\r{progress!s:<100}", end="", file=sys.stderr, flush=True)

    try:
        card = train(arguments.tiles, arguments.out, progress=show, about=LUNG, name=DEFAULT_MODEL)
    except PulmoscopeError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_code
    print(f"\n{card.name} {card.version}: {card.metrics['val']['figures']['accuracy']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
