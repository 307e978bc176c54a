"""A training's state in one npz file, replaced whole or not at all. Plain arrays, no code."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi.files.writing import replace_file


@dataclass(frozen=True)
class Checkpoint:
    """State after `epoch` epochs of the training with this `config_digest`; `arrays` in the trainer's own order."""

    config_digest: str
    epoch: int
    arrays: Sequence[NDArray[np.generic]]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    named = {f"array{i:04d}": array for i, array in enumerate(checkpoint.arrays)}
    with replace_file(path) as file:
        np.savez(file, config_digest=checkpoint.config_digest, epoch=checkpoint.epoch, **named)  # type: ignore[arg-type]


def read_checkpoint(path: Path, config_digest: str) -> Checkpoint | None:
    """The checkpoint, or None where there is none, it is unreadable, or it is of another recipe or other data."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["config_digest"]) != config_digest:
                return None
            names = sorted(name for name in stored.files if name.startswith("array"))
            return Checkpoint(config_digest, int(stored["epoch"]), [stored[name] for name in names])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
