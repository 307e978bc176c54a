"""This version beside an older one: `pulmoscope --help` and a cold `run` of a small slide, in turn on one machine.

`python -m benchmarks.beside TREE` with TREE a checkout of the older one; it is run with `TREE/.venv/bin/python` where
there is one, else with this Python. Prints the ratio of new to old: wall, and the CPU of all processes, which other
work on the machine changes less. Both run the `--model`, which must be one that both have: a network that costs more
says nothing of the program.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.rounds import arguments, interleaved, median_ratio, show_ratio
from benchmarks.slides import drawn_slide
from classifier.model_folder.find import FAST_MODEL

HERE = Path(__file__).resolve().parent.parent
SIZE_PX = (2048, 1536)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("tree", type=Path, help="a checkout of the older version")
    parser.add_argument("--model", default=FAST_MODEL)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        slide = drawn_slide(Path(folder) / "small.svs", SIZE_PX)
        run = ("run", str(slide), "--model", options.model, "--overwrite", "--out")
        contenders: dict[str, Callable[[], Callable[[], None]]] = {}
        for which, tree in (("old", options.tree.resolve()), ("new", HERE)):
            command = partial(_command, tree, Path(folder) / f"{which} compiled")
            contenders[f"{which} --help"] = partial(partial, command, "--help")
            contenders[f"{which} run"] = partial(partial, command, *run, str(Path(folder) / which))
        costs = interleaved(contenders, options.rounds)
    for what in ("--help", "run"):
        for unit in ("wall_s", "cpu_s"):
            new, old = ([getattr(cost, unit) for cost in costs[f"{which} {what}"]] for which in ("new", "old"))
            show_ratio(f"{unit.removesuffix('_s')} of {what}, new / old", median_ratio(new, old))


def _command(tree: Path, compiled: Path, *words: str) -> None:
    """Runs it with its modules compiled, as an installed package's are: the first round compiles them, into `compiled`.

    Where the environment forbids that (PYTHONDONTWRITEBYTECODE), each process would compile all of them each time.
    """
    own = tree / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([python, "-m", "app.cli", *words], cwd=tree, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main()
