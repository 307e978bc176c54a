"""LazySlide on one slide, from the file to a stored probability of each class of each tile.

`python benchmarks/others/lazyslide_run.py SLIDE OUT NETWORK.pt [WORKERS]`, in an environment with LazySlide. As its
documentation does it, but that tiles at the tissue's and the slide's edge are kept, as ours are: else it takes fewer.
"""

import sys

import lazyslide
import torch
from network import CLASSES, MPP, SIDE_PX
from torchvision.transforms import v2
from wsidata import open_wsi


class Classifier:
    """What `tile_prediction` asks of a model."""

    name, columns = "lung-v1", CLASSES

    def __init__(self, path):
        self.model = torch.jit.load(path).eval()

    def to(self, device):
        self.model.to(device)
        return self

    def get_transform(self):
        return v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])

    def predict(self, image):
        return dict(zip(CLASSES, torch.softmax(self.model(image), 1).numpy().T, strict=True))


def main(slide, out, network, workers="0"):
    wsi = open_wsi(slide, store=f"{out}/slide.zarr")
    lazyslide.pp.find_tissues(wsi)
    lazyslide.pp.tile_tissues(wsi, SIDE_PX, mpp=MPP, background_fraction=0.99, edge=True)
    how = {"batch_size": 32, "num_workers": int(workers), "device": "cpu", "pbar": False}
    lazyslide.tl.tile_prediction(wsi, Classifier(network), **how)
    wsi.write()
    print(len(wsi["tiles"]), "tiles")


if __name__ == "__main__":
    main(*sys.argv[1:])
