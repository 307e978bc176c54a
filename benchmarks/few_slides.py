"""What a few labelled slides of one's own bring (docs/lung-v2.md): `python -m benchmarks.few_slides TILES CACHE`.

TILES is `lung_sources --final`'s list, CACHE a folder for features (`benchmarks.second_laboratory`). The linear
classifier is fitted as `train --base lung-v2` fits it, to all of one laboratory and to 1, 3, 5, 10 and 20 cases a class
of another, which is judged on the cases that were not drawn. The atlas is the second laboratory beside all others, then
LC25000 (whose source images stand for cases) beside all others. Last, folds by case within the atlas: who is told as
what.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.left_out import CARCINOMAS, TUMOURS
from benchmarks.second_laboratory import ATLAS, LC25000, Tiles, Wide, arguments
from classifier.training.balance import shares_of
from classifier.training.probe import DECAY, VIEWS, fit_softmax, standardised

COUNTS = (0, 1, 3, 5, 10, 20)
FOLDS = 5
# Fewer unseen cases say nothing.
FEWEST_CASES = 8

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]


class Bench:
    """The list's features, and classifiers fitted to parts of them."""

    def __init__(self, wide: Wide) -> None:
        self.classes, self._priors = wide.classes, wide.config.priors
        self.learned, self.held, self.val = wide.part("learned", VIEWS), wide.part("held", 1), wide.part("val", 1)
        self.tumours = np.array([name in TUMOURS for name in self.classes])

    def probabilities(self, taught: Tiles, judged: Tiles) -> Floats:
        """(n, classes) of judged tiles as they are; 0 for a class that was not taught."""
        names = [
            (self.classes[label], site, group)
            for label, site, group in zip(taught.labels, taught.sites, taught.groups, strict=True)
        ]
        shares = np.tile(shares_of(names), VIEWS) / VIEWS
        flat = taught.features.reshape(-1, taught.features.shape[-1]).astype(np.float64)
        scaled, middle, spread = standardised(flat, shares)
        present, labels = np.unique(taught.labels, return_inverse=True)
        kernel, bias = fit_softmax(scaled, np.tile(labels, VIEWS), len(present), 1 / DECAY, shares)
        priors = np.array([self._priors.get(self.classes[index], 1.0) for index in present])
        logits = (judged.features[0] - middle) / spread @ kernel + bias + np.log(priors)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        told = np.zeros((len(logits), len(self.classes)))
        told[:, present] = raised / raised.sum(axis=1, keepdims=True)
        return told

    def cases_right(self, told: Floats, judged: Tiles) -> tuple[int, int]:
        """Of cases and kinds, by the mean of their tiles: tumour or not as it should be; how many there are."""
        keys = [*zip(judged.groups.tolist(), judged.labels.tolist(), strict=True)]
        tumour = told[:, self.tumours].sum(axis=1)
        right = [
            (np.mean([tumour[i] for i, one in enumerate(keys) if one == key]) > 0.5) == self.tumours[key[1]]
            for key in sorted(set(keys))
        ]
        return sum(right), len(right)

    def carcinomas_right(self, told: Floats, judged: Tiles) -> tuple[int, int]:
        """Of the cases of the two carcinomas: which of the two is likelier."""
        pair = [self.classes.index(name) for name in CARCINOMAS]
        groups = sorted(set(judged.groups[np.isin(judged.labels, pair)].tolist()))
        right = 0
        for group in groups:
            own = (judged.groups == group) & np.isin(judged.labels, pair)
            right += pair[int(told[own][:, pair].mean(axis=0).argmax())] == judged.labels[own][0]
        return right, len(groups)

    def lc25000_right(self, told: Floats) -> float:
        """Of LC25000's `val` tiles: all that is neither carcinoma is told as normal, as a slide's call takes it."""
        pair = [self.classes.index(name) for name in CARCINOMAS]
        folded = np.column_stack([told[:, pair], 1 - told[:, pair].sum(axis=1)])
        names = np.array([*pair, self.classes.index("normal")])
        return float((names[folded.argmax(axis=1)] == self.val.labels).mean())


def drawn_cases(tiles: Tiles, count: int, draw: int) -> Chosen:
    """(n,) of `count` cases of each kind, or all but one where a kind has no more."""
    rng, chosen = np.random.default_rng(draw), np.zeros(len(tiles.labels), np.bool_)
    for label in np.unique(tiles.labels):
        cases = rng.permutation(np.unique(tiles.groups[tiles.labels == label]))
        taken = cases[: min(count, max(0, len(cases) - 1))]
        chosen |= (tiles.labels == label) & np.isin(tiles.groups, taken)
    return chosen


def together(first: Tiles, second: Tiles) -> Tiles:
    return Tiles(
        np.concatenate([first.features, second.features], axis=1),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.groups, second.groups]),
        np.concatenate([first.sites, second.sites]),
    )


def atlas_curve(bench: Bench, draws: int) -> Iterator[str]:
    yield "\n| atlas: cases a kind | tumour or not, unseen cases and kinds | LC25000 `val` |\n| --- | --- | --- |"
    own = bench.learned.sites == ATLAS
    first, second = bench.learned.of(~own), bench.learned.of(own)
    for count in COUNTS:
        found = []
        for draw in range(draws if count else 1):
            chosen = drawn_cases(second, count, draw)
            judged = second.of(~np.isin(second.groups, second.groups[chosen]))
            told = bench.probabilities(together(first, second.of(chosen)), together(_plain(judged), bench.val))
            right, cases = bench.cases_right(told[: len(judged.labels)], judged)
            found.append((right, cases, bench.lc25000_right(told[len(judged.labels) :])))
        if min(cases for _, cases, _ in found) < FEWEST_CASES:
            yield f"| {count} | fewer than {FEWEST_CASES} unseen cases are left | |"
            return
        shares = ", ".join(f"{right} of {cases}" for right, cases, _ in found)
        yield f"| {count} | {shares} | {', '.join(f'{accuracy:.3f}' for *_, accuracy in found)} |"


def lc25000_curve(bench: Bench, draws: int) -> Iterator[str]:
    yield "\n| LC25000: images a class | `val` tiles | tumour or not, of 93 | which carcinoma, of 62 | others, held |"
    yield "| --- | --- | --- | --- | --- |"
    own, elsewhere = bench.learned.sites == LC25000, bench.held.of(bench.held.sites != LC25000)
    first, second = bench.learned.of(~own), bench.learned.of(own)
    for count in COUNTS:
        lines = []
        for draw in range(draws if count else 1):
            taught = together(first, second.of(drawn_cases(second, count, draw)))
            told = bench.probabilities(taught, together(bench.val, elsewhere))
            own_told, others = told[: len(bench.val.labels)], told[len(bench.val.labels) :]
            lines.append(
                (
                    f"{bench.lc25000_right(own_told):.3f}",
                    str(bench.cases_right(own_told, bench.val)[0]),
                    str(bench.carcinomas_right(own_told, bench.val)[0]),
                    f"{(others.argmax(axis=1) == elsewhere.labels).mean():.3f}",
                )
            )
        yield f"| {count} | " + " | ".join(", ".join(cells) for cells in zip(*lines, strict=True)) + " |"


def atlas_folds(bench: Bench) -> Iterator[str]:
    """Each case is told by a classifier that saw a fold of the others only, and all other laboratories."""
    second = bench.learned.sites == ATLAS
    every = together(_plain(bench.learned.of(second)), bench.held.of(bench.held.sites == ATLAS))
    cases = np.random.default_rng(0).permutation(np.unique(every.groups))
    told = np.zeros((len(every.labels), len(bench.classes)))
    for fold in range(FOLDS):
        out = cases[fold::FOLDS]
        judged = np.isin(every.groups, out)
        taught = bench.learned.of(~(second & np.isin(bench.learned.groups, out)))
        told[judged] = bench.probabilities(taught, every.of(judged))
    kinds, pair = bench.cases_right(told, every), bench.carcinomas_right(told, every)
    right = (told.argmax(axis=1) == every.labels).mean()
    yield (
        f"\natlas, folds by case: tumour or not {kinds[0]} of {kinds[1]} cases and kinds; which carcinoma {pair[0]} of "
        f"{pair[1]} cases; {right:.3f} of {len(every.labels)} tiles told as the right kind\n"
    )
    yield from confusion(told, every, bench.classes)


def confusion(told: Floats, judged: Tiles, classes: tuple[str, ...]) -> Iterator[str]:
    yield "| | " + " | ".join(classes) + " |\n|" + " --- |" * (len(classes) + 1)
    for label in np.unique(judged.labels):
        own = judged.labels == label
        counts = np.bincount(told[own].argmax(axis=1), minlength=len(classes))
        cases = len(np.unique(judged.groups[own]))
        yield f"| {classes[label]} ({cases}) | " + " | ".join(str(count or "") for count in counts) + " |"


def _plain(tiles: Tiles) -> Tiles:
    """Their first view alone: as they are."""
    return Tiles(tiles.features[:1], tiles.labels, tiles.groups, tiles.sites)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=3)
    asked = parser.parse_args()
    bench = Bench(Wide.of(asked.tiles, asked.cache))
    for part in (atlas_folds(bench), atlas_curve(bench, asked.draws), lc25000_curve(bench, asked.draws)):
        for line in part:
            print(line, flush=True)


if __name__ == "__main__":
    main()
