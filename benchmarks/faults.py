"""The fault campaigns at full size, for docs/reliability.md: `python -m benchmarks.faults FOLDER [CAMPAIGN...]`.

`--seeds FIRST STOP` does a part of `outputs`. Prints one line of figures a campaign. Real slides come from the folder
that PULMOSCOPE_DATA names; a full disk needs the right to mount a tmpfs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.common import draw_slides, run_to_end
from tests.faults.kills import kill_runs
from tests.faults.mutations import mutate_slides
from tests.faults.others import fill_the_disk, flip_bits, run_long, run_together, same_on_all_engines
from tests.faults.outputs import OutputFigures, mutate_outputs
from tests.faults.writes import fail_each_write

# What commands and pages load when they come to need it.
_LOADED = (
    *(
        "zarr",
        "pandas",
        "pyarrow",
        "altair",
        "jinja2",
        "vl_convert",
        "streamlit.testing.v1",
        "app.cli",
        "app.commands.report",
    ),
    *("app.commands.run", "app.ledger.repair", "app.viewer.server", "app.viewer.pages.router"),
    *("app.viewer.pages.slide.page", "app.viewer.pages.worklist.page", "app.viewer.pages.analyse.page"),
)


def mutations(folder: Path) -> object:
    good = draw_slides(folder / "good", 20)
    real = Path(os.environ["PULMOSCOPE_DATA"]) / "wsi"
    originals = [real / "cmu-1-small-region.svs", real / "tcga-cr-7395-01a-01-ts1.svs", real / "boxes.tiff"]
    return mutate_slides([*originals, *sorted(good.iterdir())[:2]], good, folder / "run", count=200)


def kills(folder: Path) -> object:
    return kill_runs(draw_slides(folder / "in", 12), folder, kills=100)


def writes(folder: Path) -> object:
    return fail_each_write(draw_slides(folder / "in", 1, 600) / "slide-0000.tif", folder / "run")


def disk(folder: Path) -> object:
    small = folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    try:
        return fill_the_disk(draw_slides(folder / "in", 40), small / "out")
    finally:
        subprocess.run(["umount", small], check=True)


def together(folder: Path) -> object:
    return run_together(draw_slides(folder / "in", 40), folder / "out", runs=4)


def flips(folder: Path) -> object:
    run_to_end(draw_slides(folder / "in", 4), folder / "out")
    return flip_bits(folder / "out", flips=200)


def outputs(folder: Path, seeds: range = range(1000)) -> OutputFigures:
    # Loaded here, so that the thousands of commands need not.
    for name in _LOADED:
        importlib.import_module(name)
    return mutate_outputs(draw_slides(folder / "in", 2, 600), folder / "run", seeds=seeds)


def engines(folder: Path) -> object:
    return same_on_all_engines(draw_slides(folder / "in", 40), folder)


def long(folder: Path) -> object:
    return run_long(draw_slides(folder / "in", 2000, 600), folder / "out")


CAMPAIGNS: tuple[Callable[[Path], object], ...] = (
    flips,
    disk,
    together,
    engines,
    outputs,
    mutations,
    writes,
    kills,
    long,
)
NAMES = [campaign.__name__ for campaign in CAMPAIGNS]


def main(folder: Path, names: list[str], seeds: range) -> None:
    for campaign in CAMPAIGNS:
        if not names or campaign.__name__ in names:
            started = time.monotonic()
            place = folder / campaign.__name__
            place.mkdir(parents=True)
            figures = outputs(place, seeds) if campaign is outputs else campaign(place)
            print(f"{campaign.__name__}: {figures} in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The fault campaigns at full size.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("campaigns", nargs="*", help="all, or some of " + ", ".join(NAMES))
    parser.add_argument("--seeds", nargs=2, type=int, default=(0, 1000), metavar=("FIRST", "STOP"))
    given = parser.parse_args()
    main(given.folder.absolute(), given.campaigns, range(*given.seeds))
