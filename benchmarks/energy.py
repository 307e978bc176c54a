"""What a slide costs: CPU seconds, multiply-adds of the network and, where the machine has a counter, Wh.

`python -m benchmarks.energy [--model NAME] [--slide FILE] [--rounds N]` runs `pulmoscope run` on a drawn section of 10
by 8 mm, or on a slide of yours, and tells the median of the rounds. The counter is Linux's powercap (RAPL): what the
processor packages took meanwhile, everything else on the machine included, memory and disks not. Reading it needs
the right to (`/sys/class/powercap`); where there is none it says "no counter here", and no figure is guessed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from aggregate.result_folder import load_summary, stored_results
from benchmarks.slides import drawn_slide
from classifier.model_folder.files import read_card
from classifier.model_folder.find import find_model

SIZE_PX = (40_000, 32_000)
POWERCAP = Path("/sys/class/powercap")
NO_COUNTER = "no counter here"
_UJ_PER_WH = 3.6e9


@dataclass(frozen=True)
class Counter:
    """One processor package's energy, in uJ; it begins again at 0 after `range_uj`."""

    path: Path
    range_uj: int

    def read(self) -> int:
        return int((self.path / "energy_uj").read_text())


@dataclass(frozen=True)
class Cost:
    """Of one slide. `wh` is None where nothing counts it."""

    cpu_s: float
    tiles: int
    wh: float | None


def counters(folder: Path = POWERCAP) -> list[Counter]:
    """Those of whole packages that may be read; their parts (cores, memory) are in them."""
    found = []
    for path in sorted(folder.glob("*-rapl:*")):
        if path.name.count(":") != 1:
            continue
        try:
            counter = Counter(path, int((path / "max_energy_range_uj").read_text()))
            counter.read()
        except (OSError, ValueError):
            continue
        found.append(counter)
    return found


def spent_wh(found: Sequence[Counter], before: Sequence[int], after: Sequence[int]) -> float | None:
    """What all packages took between two readings, each of which may have begun again once."""
    if not found:
        return None
    spent = (
        end - start if end >= start else end - start + one.range_uj
        for one, start, end in zip(found, before, after, strict=True)
    )
    return sum(spent) / _UJ_PER_WH


def multiply_adds(model: Any) -> int:
    """Of a Keras model, one tile: convolutions and dense layers, which are nearly all of it."""
    total = 0
    for layer in model.layers:
        for node in layer._inbound_nodes:
            total += multiply_adds(layer) if hasattr(layer, "layers") else _of_layer(layer, node.outputs[0].shape)
    return total


def _of_layer(layer: Any, shape: Sequence[int]) -> int:
    """Each number of the output takes as many as the kernel has weights behind it."""
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    outputs = 1
    for side in shape[1:]:
        outputs *= int(side)
    if type(layer).__name__ == "DepthwiseConv2D":
        return outputs * int(kernel.shape[0]) * int(kernel.shape[1])
    behind = 1
    for side in kernel.shape[:-1]:
        behind *= int(side)
    return outputs * behind


def network_multiply_adds(name: str) -> int | None:
    """Of one tile of a model; None of a network from elsewhere, whose file we do not count."""
    from classifier.networks.build import build_network
    from classifier.networks.imported import ImportedNetwork

    card = read_card(find_model(name))
    if isinstance(card.network, ImportedNetwork):
        return None
    return multiply_adds(build_network(card.network, len(card.outputs), card.tile.size_px))


def run_once(slide: Path, model: str, out: Path, found: Sequence[Counter]) -> Cost:
    """Runs the whole command in processes of its own."""
    command = [sys.executable, "-m", "app.cli", "run", str(slide), "--out", str(out), "--model", model, "--overwrite"]
    used, before = resource.getrusage(resource.RUSAGE_CHILDREN), [one.read() for one in found]
    subprocess.run(command, check=True, capture_output=True)
    after, now = [one.read() for one in found], resource.getrusage(resource.RUSAGE_CHILDREN)
    [stored] = stored_results(out)
    tiles = int(load_summary(stored)["qc"]["tiles"])
    cpu_s = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return Cost(cpu_s, tiles, spent_wh(found, before, after))


def told(costs: Sequence[Cost], each: int | None) -> dict[str, Any]:
    """The medians, as they are printed."""
    tiles = costs[0].tiles
    wh = [cost.wh for cost in costs if cost.wh is not None]
    return {
        "tiles": tiles,
        "cpu_s": round(median(cost.cpu_s for cost in costs), 2),
        "multiply_adds_a_tile": each,
        "multiply_adds": None if each is None else each * tiles,
        "wh": round(median(wh), 4) if wh else NO_COUNTER,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lung-v2")
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide = asked.slide or drawn_slide(folder / "section.svs", SIZE_PX)
        found = counters()
        costs = [run_once(slide, asked.model, folder / "out", found) for _ in range(asked.rounds)]
    print(json.dumps({"model": asked.model, **told(costs, network_multiply_adds(asked.model))}, indent=2))


if __name__ == "__main__":
    main()
