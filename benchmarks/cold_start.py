"""A cold `pulmoscope run` of a small slide against the bare import of the libraries that it must use.

`python -m benchmarks.cold_start` prints the ratio of wall times and where the time of the command goes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.rounds import arguments, interleaved, median_ratio, show_ratio
from benchmarks.slides import drawn_slide

BARE = "import numpy, numcodecs.zstd, openslide, ai_edge_litert.interpreter"
COMMAND_IMPORTS = (
    "import app.cli, app.batch.run_batch, app.batch.inputs, app.commands.terminal.reporter, classifier.model"
)
WORKER_IMPORTS = "import app.batch.engines.task, tiler.stream, tiler.tissue, wsi.registry, ai_edge_litert.interpreter"
SIZE_PX = (2048, 1536)


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        slide = drawn_slide(Path(folder) / "small.svs", SIZE_PX)
        out = Path(folder) / "out"
        run = ["-m", "app.cli", "run", str(slide), "--out", str(out), "--overwrite"]
        costs = interleaved(
            {
                "pulmoscope run": lambda: partial(_python, *run),
                "imports of the command": lambda: partial(_python, "-c", COMMAND_IMPORTS),
                "imports of its worker": lambda: partial(_python, "-c", WORKER_IMPORTS),
                "bare imports": lambda: partial(_python, "-c", BARE),
            },
            options.rounds,
        )
    bare = [cost.wall_s for cost in costs["bare imports"]]
    for name, found in costs.items():
        show_ratio(f"wall of {name} / bare imports", median_ratio([cost.wall_s for cost in found], bare))


def _python(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, capture_output=True)


if __name__ == "__main__":
    main()
