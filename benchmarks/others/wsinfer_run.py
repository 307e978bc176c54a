"""WSInfer's own command on one slide, from the file to a CSV with a probability of each class of each tile.

`python benchmarks/others/wsinfer_run.py SLIDE OUT NETWORK.pt [WORKERS]`, in an environment with WSInfer; all but the
tile and the network is the command's default. It asks a hub for its list of models at each start: here it finds an
empty one.
"""

import json
import os
import sys
from pathlib import Path

from network import CLASSES, MPP, SIDE_PX

CONFIG = {
    "spec_version": "1.0",
    "architecture": "lung-v1",
    "num_classes": len(CLASSES),
    "class_names": CLASSES,
    "patch_size_pixels": SIDE_PX,
    "spacing_um_px": MPP,
    "transform": [{"name": "Resize", "arguments": {"size": SIDE_PX}}, {"name": "ToTensor"}],
}


def main(slide, out, network, workers=None):
    home = Path(out)
    for folder in ("slides", ".wsinfer-zoo"):
        (home / folder).mkdir()
    (home / "slides" / Path(slide).name).symlink_to(Path(slide).resolve())
    (home / "config.json").write_text(json.dumps(CONFIG))
    (home / ".wsinfer-zoo" / "wsinfer-zoo-registry.json").write_text('{"models": {}}')
    os.environ |= {"HOME": str(home), "HF_HUB_OFFLINE": "1"}
    from wsinfer.cli.cli import cli

    where = ["--wsi-dir", str(home / "slides"), "--results-dir", str(home / "results")]
    what = ["--config", str(home / "config.json"), "--model-path", network]
    cli(["run", *where, *what, *(["--num-workers", workers] if workers else [])], standalone_mode=False)
    print(sum(len(csv.read_text().splitlines()) - 1 for csv in home.glob("results/model-outputs-csv/*.csv")), "tiles")


if __name__ == "__main__":
    main(*sys.argv[1:])
