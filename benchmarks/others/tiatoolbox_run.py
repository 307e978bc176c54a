"""TIAToolbox on one slide, from the file to a stored probability of each class of each tile.

`python benchmarks/others/tiatoolbox_run.py SLIDE OUT NETWORK.pt [WORKERS]`, in an environment with TIAToolbox.
"""

import sys

import torch
import zarr
from network import MPP, SIDE_PX
from tiatoolbox.models.engine.io_config import IOPatchPredictorConfig
from tiatoolbox.models.engine.patch_predictor import PatchPredictor
from tiatoolbox.models.models_abc import ModelABC


class Classifier(ModelABC):
    """What `PatchPredictor` asks of a model."""

    def __init__(self, path):
        super().__init__()
        self.network = torch.jit.load(path).eval()

    def forward(self, tiles):
        return torch.softmax(self.network(tiles), 1)

    @staticmethod
    def infer_batch(model, batch_data, *, device):
        with torch.inference_mode():
            return model(batch_data.to(device).permute(0, 3, 1, 2).float() / 255).cpu().numpy()

    @staticmethod
    def postproc(image):
        return image.argmax(-1)


def main(slide, out, network, workers="0"):
    tiles = IOPatchPredictorConfig(
        input_resolutions=[{"units": "mpp", "resolution": MPP}],
        patch_input_shape=(SIDE_PX, SIDE_PX),
        stride_shape=(SIDE_PX, SIDE_PX),
    )
    how = {"batch_size": 32, "num_workers": int(workers), "device": "cpu", "verbose": False}
    [stored] = (
        PatchPredictor(Classifier(network), **how)
        .run(
            [slide],
            patch_mode=False,
            ioconfig=tiles,
            save_dir=f"{out}/saved",
            output_type="zarr",
            return_probabilities=True,
        )
        .values()
    )
    print(zarr.open(stored, mode="r")["probabilities"].shape[0], "tiles")


if __name__ == "__main__":
    main(*sys.argv[1:])
