"""Slides that `pulmoscope suggest` names against slides drawn at random: how many corrected ones a laboratory needs for
the same share of right tiles (docs/learning.md): `python -m benchmarks.suggest TILES CACHE [--seeds N]`.

TILES, CACHE and the two laboratories are those of `benchmarks.second_laboratory`. Five slides at a time are chosen,
corrected and learned from; the next five are chosen with the candidate that came of it. Half of the slides judge.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from aggregate.result import TileTable
from app.upkeep.suggest.choose import choose
from app.upkeep.suggest.regions import MOST_A_SLIDE, TILES_A_SIDE, Regions, regions_of
from benchmarks.learning_curves import halves
from benchmarks.second_laboratory import Head, Scene, Tiles, arguments, scenes
from classifier.calibrate import softmax
from classifier.familiarity import THRESHOLD
from classifier.training.packaged.replay.head import BIAS, KERNEL

STEP, MOST = 5, 30
SUGGESTED, RANDOM, UNSURE = "suggested", "random", "most uncertain"
WAYS = (SUGGESTED, UNSURE, RANDOM)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    for scene in scenes(asked.tiles, asked.cache):
        found = {way: [curve(scene, seed, way) for seed in range(asked.seeds)] for way in WAYS}
        for line in table(scene.name, found):
            print(line, flush=True)


def curve(scene: Scene, seed: int, way: str) -> list[float]:
    """Share of unseen tiles that are right after 0, 5, 10, ... corrected slides."""
    half, unseen, _ = halves(scene, seed)
    head, taken, right = scene.base, list[str](), [float(scene.judged(scene.base, unseen).right.mean())]
    rng = np.random.default_rng(100 + seed)
    while len(taken) < min(MOST, len(half)):
        left = sorted(set(half) - set(taken))
        count = min(STEP, len(left), MOST - len(taken))
        if way == RANDOM:
            taken += [str(name) for name in rng.choice(left, count, replace=False)]
        else:
            taken += suggested(scene, head, left, taken, count, spread=way == SUGGESTED)
        head = scene.trained(scene.second.of_groups(taken).learned(scene.replay.classes))
        right.append(float(scene.judged(head, unseen).right.mean()))
    return right


def suggested(scene: Scene, head: Head, left: list[str], taken: list[str], count: int, *, spread: bool) -> list[str]:
    """As the command chooses; without `spread` by worth alone."""
    regions = [_regions(scene, head, scene.second.of_groups([name])).best(MOST_A_SLIDE) for name in left]
    features = np.concatenate([one.features for one in regions])
    groups = np.repeat(np.arange(len(left)), [len(one) for one in regions])
    worth = np.concatenate([one.worth() for one in regions])
    known = [_regions(scene, head, scene.second.of_groups([name])).best(4).features for name in taken]
    anchors = np.concatenate(known) if known else np.zeros((0, features.shape[1]), np.float32)
    if not spread:
        best = [float(worth[groups == group].max(initial=0)) for group in range(len(left))]
        return [left[i] for i in np.argsort(np.negative(best), kind="stable")[:count]]
    named = [left[int(groups[one.index])] for one in choose(features, worth, groups, anchors, count)]
    return named or left[:count]  # slides of three tiles are no region


def _regions(scene: Scene, head: Head, tiles: Tiles) -> Regions:
    """A slide's tiles side by side, as a result would hold them."""
    plain, n = tiles.features[0], len(tiles.labels)
    places = np.arange(n)
    square, inside = places // TILES_A_SIDE**2, places % TILES_A_SIDE**2
    xy = np.stack([square * TILES_A_SIDE + inside % TILES_A_SIDE, inside // TILES_A_SIDE], axis=1).astype(np.int32)
    table = TileTable(
        xy=xy,
        probabilities=softmax(plain @ head[KERNEL] + head[BIAS]),
        familiarity=scene.known.of(plain),
        quality=np.zeros(n, np.uint8),
        features=plain.astype(np.float16),
        tissue_fraction=np.ones(n, np.float32),
        votes=np.ones(n, np.bool_),
    )
    return regions_of(table, 1.0, THRESHOLD)


def table(name: str, found: dict[str, list[list[float]]]) -> Iterator[str]:
    steps = min(len(one) for curves in found.values() for one in curves)
    yield f"\n{name}: mean of {len(found[RANDOM])} seeds\n"
    yield f"| corrected slides | {' | '.join(found)} |"
    yield f"| --- |{' --- |' * len(found)}"
    for step in range(steps):
        yield f"| {step * STEP} | {' | '.join(_told([one[step] for one in curves]) for curves in found.values())} |"
    for goal in (0.5, 0.8):
        needed = {
            way: [_needed(one, curves, goal) for one, curves in zip(of, found[RANDOM], strict=True)]
            for way, of in found.items()
        }
        told = " | ".join(
            ", ".join(f"{count:.0f}" if count else "more" for count in counts) for counts in needed.values()
        )
        yield f"| needed for {goal:.0%} of what random brings in the end, by seed | {told} |"


def _told(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"


def _needed(curve: list[float], random: list[float], goal: float) -> int:
    """Corrected slides until so much of random's whole gain is reached; 0: it is not."""
    level = random[0] + goal * (random[-1] - random[0])
    reached: NDArray[np.intp] = np.flatnonzero(np.array(curve) >= level)
    return int(reached[0]) * STEP if len(reached) else 0


if __name__ == "__main__":
    main()
