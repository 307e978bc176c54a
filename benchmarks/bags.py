"""Bags of digits: does attention find the one digit that makes a bag positive? (docs/slides.md)

`python -m benchmarks.bags` trains on 50, 100 and 200 bags of mean size 10, five seeds, and prints the AUC on 500 bags
of other digits, and where the attention lies. After the MNIST-bags of Ilse et al. 2018 (arXiv:1802.04712), but with
scikit-learn's digits: 8 x 8 px, taken as 64 features, where theirs are 28 x 28 px and a convolutional network learns
them. `python -m benchmarks.bags --large` trains on bags of 20,000 instances and prints the peak memory.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray

from aggregate.slide_model.bags import Bag, FeatureSource, Shelf
from aggregate.slide_model.fit import Lesson, SlideRecipe, fit_network
from aggregate.slide_model.network import ops
from aggregate.slide_model.network.networks import make_network
from classifier.evaluation.metrics import area_under_curve

TARGET = 9
SEEDS = 5
# As `train-slides` does: five networks, each stopped by a fifth of the bags, and their mean.
FOLDS = 5
SIZES = (50, 100, 200)
TEST_BAGS = 500


def digit_bags(
    images: NDArray[np.float32], digits: NDArray[np.integer], count: int, rng: np.random.Generator
) -> tuple[list[Bag], NDArray[np.int64], list[NDArray[np.bool_]]]:
    """Bags of N(10, 2) images; half of them hold a nine, or several, as chance has it. With labels, and which they
    are."""
    labels = np.arange(count, dtype=np.int64) % 2
    others = np.flatnonzero(digits != TARGET)
    bags, where = [], []
    for i, label in enumerate(labels.tolist()):
        size = max(2, round(rng.normal(10, 2)))
        chosen = rng.choice(len(digits) if label else others, size)
        if label and not (digits[chosen] == TARGET).any():
            chosen[rng.integers(size)] = rng.choice(np.flatnonzero(digits == TARGET))
        bags.append(Bag(f"bag-{i}", images[chosen], FeatureSource(images.shape[1])))
        where.append(digits[chosen] == TARGET)
    return bags, labels, where


def shelf_of(bags: list[Bag]) -> Shelf:
    return Shelf([lambda bag=bag: bag for bag in bags])


def scores(weights: dict[str, NDArray[np.float32]], recipe: SlideRecipe, bags: list[Bag]) -> list[tuple[float, object]]:
    """(log odds of the second class, attention (n,)) of each bag."""
    network = make_network(recipe.network, recipe.parameters)
    found = []
    for bag in bags:
        values = ((bag.features.astype(np.float32) - weights["mean"]) / weights["spread"])[None]
        there = np.ones(values.shape[:2], np.bool_)
        logits, attention = network.pool(ops, weights, network.embed(ops, weights, values), there)
        found.append((float(logits[0, 1] - logits[0, 0]), attention[0, :, -1]))
    return found


def one_training(network: str, count: int, seed: int) -> tuple[float, float]:
    """(AUC on test bags, share of the attention of positive ones that lies on nines)."""
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits))
    images, digits = (images[order] / 16).astype(np.float32), digits[order]
    bags, labels, _ = digit_bags(images[:1000], digits[:1000], count, rng)
    recipe = SlideRecipe(network=network)
    lesson, indices, folds = Lesson(shelf_of(bags), labels, 2), np.arange(count), np.arange(count) // 2 % FOLDS
    tests, truth, where = digit_bags(images[1000:], digits[1000:], TEST_BAGS, rng)
    total, mass = np.zeros(TEST_BAGS), 0.0
    for fold in range(FOLDS):
        weights = fit_network(recipe, lesson, indices[folds != fold], indices[folds == fold], seed * FOLDS + fold)
        found = scores(weights, recipe, tests)
        total += [score for score, _ in found]
        mass += np.mean([a[nines].sum() for (_, a), nines, label in zip(found, where, truth, strict=True) if label])
    return area_under_curve(total, truth == 1), float(mass / FOLDS)


def large() -> None:
    """Bags of 20,000 instances of 1,024 features in half precision, ten of them; one instance in a hundred tells."""
    labels = np.arange(10, dtype=np.int64) % 2

    def read(i: int) -> Bag:
        own = np.random.default_rng([1, i])
        values = own.standard_normal((20_000, 1024), np.float32).astype(np.float16)
        if labels[i]:
            values[own.choice(20_000, 200, replace=False), :64] += np.float16(1.5)
        return Bag(f"large-{i}", values, FeatureSource(1024))

    shelf = Shelf([lambda i=i: read(i) for i in range(10)], max_bytes=128 << 20)
    recipe = SlideRecipe(epochs=2, min_steps=0)
    # One small training first: what the libraries take is not the bags'.
    fit_network(
        recipe, Lesson(shelf_of([digit_bag() for _ in range(4)]), labels[:4], 2), np.arange(2), np.arange(2, 4), 0
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    began = time.process_time()
    fit_network(recipe, Lesson(shelf, labels, 2), np.arange(8), np.arange(8, 10), 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"10 bags of 20,000 x 1,024 features (0.4 GB in all), a shelf of 128 MB, {recipe.epochs} epochs:")
    print(f"peak {peak:.2f} GB, of which {before:.2f} GB with small bags; {time.process_time() - began:.0f} s CPU")


def digit_bag() -> Bag:
    """A bag of ten instances of nothing, as wide as the large ones."""
    return Bag("small", np.zeros((10, 1024), np.float16), FeatureSource(1024))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--network", default="gated-attention")
    parser.add_argument("--bags", type=int, nargs="*", default=SIZES)
    options = parser.parse_args()
    if options.large:
        large()
        return
    for count in options.bags:
        found = np.array([one_training(options.network, count, seed) for seed in range(SEEDS)])
        auc, error = found[:, 0], found[:, 0].std(ddof=1) / np.sqrt(SEEDS)
        each = " ".join(f"{value:.3f}" for value in auc)
        print(
            f"{options.network}, {count} bags: AUC {auc.mean():.3f} +- {error:.3f} ({each}); "
            f"attention on nines {found[:, 1].mean():.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
