"""The whole command beside a plain loop, and beside any other tool's command, on one slide in turn.

`python -m benchmarks.peers [--slide FILE] [--model NAME] [--peer NAME=COMMAND]... [--rounds N] [--quick]`: ours is
`pulmoscope run`, from a cold process to the sealed result. The plain loop is what a script of thirty lines does: tissue
by saturation on a thumbnail, OpenSlide's read_region a tile, Pillow to its size, batches of 32 to the same network, the
probabilities into one file; nothing is hashed, checked, looked at for blur, or synced. COMMAND is split at blanks;
{slide} and {out} in it are the slide and an empty folder: tools of the field run from environments of their own.
Without a slide one of 7 x 6 mm is woven. The ratios are of the other to ours, in wall and in CPU.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.rounds import Call, arguments, interleaved, median_ratio, show_ratio
from benchmarks.woven import Woven, weave
from classifier.model_folder.find import DEFAULT_MODEL

OURS, LOOP = "pulmoscope run", "a plain OpenSlide loop"
_LOOP = """
import sys
import numpy as np, openslide
from PIL import Image
from classifier.model import load_model
path, out, name = sys.argv[1:]
model = load_model(name)
side, mpp = model.card.tile.size_px, model.card.tile.mpp
slide = openslide.OpenSlide(path)
own = float(slide.properties["openslide.mpp-x"])
level = slide.get_best_level_for_downsample(mpp / own * 1.001)
down = slide.level_downsamples[level]
read, step = round(side * mpp / own / down), side * mpp / own
small = slide.get_thumbnail((2048, 2048)).convert("HSV")
scale = slide.dimensions[0] / small.width
stained = np.asarray(small)[..., 1] > 20
found, batch = [], []
for row in range(int(slide.dimensions[1] // step)):
    for column in range(int(slide.dimensions[0] // step)):
        x, y = int(column * step), int(row * step)
        at = np.s_[int(y / scale) : int((y + step) / scale) + 1, int(x / scale) : int((x + step) / scale) + 1]
        if not stained[at].any():
            continue
        tile = slide.read_region((x, y), level, (read, read)).convert("RGB")
        batch.append(np.asarray(tile.resize((side, side), Image.BILINEAR)))
        if len(batch) == 32:
            found.append(model.predict(np.stack(batch)).probabilities)
            batch = []
if batch:
    found.append(model.predict(np.stack(batch)).probabilities)
np.save(out + "/probabilities.npy", np.concatenate(found))
"""


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--slide", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--quick", action="store_true", help="one round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        slide = options.slide or weave(home / "woven.svs", Woven((28_000, 24_000), 0.8))
        run = ("-m", "app.cli", "run", "{slide}", "--out", "{out}", "--model", options.model)
        commands = {
            OURS: [sys.executable, *run],
            LOOP: [sys.executable, "-c", _LOOP, "{slide}", "{out}", options.model],
            **{name: shlex.split(command) for name, _, command in (peer.partition("=") for peer in options.peer)},
        }
        contenders = {name: partial(_ready, words, slide, home / "out") for name, words in commands.items()}
        costs = interleaved(contenders, 1 if options.quick else options.rounds)
    for name in list(commands)[1:]:
        for unit, words in (("wall_s", "wall"), ("cpu_s", "CPU")):
            other, ours = ([getattr(cost, unit) for cost in costs[which]] for which in (name, OURS))
            show_ratio(f"{words} of {name} / ours", median_ratio(other, ours))


def _ready(words: list[str], slide: Path, out: Path) -> Call:
    """A fresh output, and the command with its places filled in."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    known = {"{slide}": str(slide), "{out}": str(out)}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [known.get(word, word) for word in words]
    return partial(subprocess.run, command, check=True, capture_output=True, env=environment)


if __name__ == "__main__":
    main()
