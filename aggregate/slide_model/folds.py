"""Who learns, who stops the training, who is predicted: folds of whole patients, each class spread over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def patient_folds(labels: NDArray[np.integer], patients: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """(n,) the fold that each slide is predicted in. Patients stay whole; those of a class (of their first slide) are
    dealt to the folds in turn, in an order drawn by `seed`."""
    class_of: dict[str, int] = {}
    for label, patient in zip(labels.tolist(), patients, strict=True):
        class_of.setdefault(patient, label)
    rng = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    for label in sorted(set(class_of.values())):
        names = sorted(name for name, of in class_of.items() if of == label)
        for at, i in enumerate(rng.permutation(len(names))):
            fold_of[names[i]] = (at + label) % folds
    return np.array([fold_of[patient] for patient in patients], np.int64)


def class_weights(labels: NDArray[np.integer], classes: int) -> NDArray[np.float32]:
    """(c,) weights under which each class counts alike and a slide 1 on the mean."""
    counts = Counter(labels.tolist())
    present = sum(1 for index in range(classes) if counts[index])
    return np.array(
        [len(labels) / (present * counts[index]) if counts[index] else 0.0 for index in range(classes)], np.float32
    )
