"""What a negative is worth, on simulated slides: a tumour that the model refuses, and normal tissue with errors in it.

`python -m benchmarks.negatives [--slides N] [--seed S]` prints the tables of docs/pooling.md. Only pooling and decision
are measured: tiles are drawn as numbers, no picture is.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aggregate.decision import ScanFacts, TissueShares, decide
from aggregate.doubts import find_doubts
from aggregate.pool import Pooled, pool
from aggregate.result import Decision
from aggregate.thresholds import DecisionRules
from tiler.spec import Grid
from wsi.spacing import ReadPlan

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
_NORMAL, _TUMOUR = (0.01, 0.98, 0.01), (0.94, 0.03, 0.03)
_TILE_PX = 224.0
_ERRORS_PER_CLUSTER = 3


@dataclass(frozen=True)
class Simulated:
    """Tiles in a disk of tissue on a square grid. `cell` is (n, 2); `p` (n, 3); `votes` (n,)."""

    cell: NDArray[np.int32]
    p: NDArray[np.float64]
    votes: NDArray[np.bool_]


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slides", type=int, default=200, help="simulated slides a line")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    print("| tiles of the refused tumour that the model refuses | `normal` | without a reason | reasons |")
    print("| --- | --- | --- | --- |")
    for refused in (1.0, 0.8, 0.6, 0.4):
        print(_refused_line(rng, asked.slides, refused))
    print("\n| normal tiles | in error | refused | score, median (95%) | called tumour | without a reason | `done` |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for n in (1_000, 10_000, 100_000):
        for error in (0.0, 0.001, 0.01):
            for refused in (0.0, 0.06):
                print(_normal_line(rng, max(20, asked.slides * 1000 // n), n, error, refused))


def refused_tumour(rng: np.random.Generator, n: int, share: float, refused: float) -> Simulated:
    """A slide of `n` tiles with a compact tumour of `share` of them, of which the model refuses `refused`; the rest of
    the tumour it takes for normal tissue, which is the worst that it can do."""
    cell = _disk(n)
    centre = cell[rng.integers(n)]
    tumour = np.argsort(((cell - centre) ** 2).sum(axis=1), kind="stable")[: round(share * n)]
    votes = np.ones(n, np.bool_)
    votes[tumour] = rng.random(len(tumour)) >= refused
    return Simulated(cell, _noisy(rng, np.tile(_NORMAL, (n, 1))), votes)


def normal_with_errors(rng: np.random.Generator, n: int, error: float, refused: float) -> Simulated:
    """A slide of `n` normal tiles: `error` of them look like tumour, in clusters of three; `refused` do not vote."""
    cell = _disk(n)
    p = np.tile(_NORMAL, (n, 1))
    for centre in rng.integers(n, size=rng.poisson(error * n / _ERRORS_PER_CLUSTER)):
        near = np.flatnonzero(np.abs(cell - cell[centre]).max(axis=1) <= 1)
        p[rng.choice(near, min(len(near), rng.poisson(_ERRORS_PER_CLUSTER - 1) + 1), replace=False)] = _TUMOUR
    return Simulated(cell, _noisy(rng, p), rng.random(n) >= refused)


def decided(slide: Simulated) -> tuple[Decision, Pooled]:
    """As `aggregate.summary` does it, of tiles that are all tissue and in focus."""
    rules, background, n = DecisionRules(), CLASSES.index("normal"), len(slide.cell)
    pooled = pool(slide.p[slide.votes], slide.cell[slide.votes], np.ones(int(slide.votes.sum())), background=background)
    doubts = find_doubts(
        _grid(slide.cell),
        slide.votes,
        np.zeros(n, np.uint8),
        1.0 - slide.p[:, background],
        unjudged_tiles=rules.unjudged_tiles,
        tumour_like=rules.tumour_like,
    )
    voting = float(slide.votes.mean())
    shares = TissueShares(0.05 * n, voting, 1.0 - voting, 0.0, 0.0, 0.0, 0.0)
    decision = decide(pooled, shares, doubts, CLASSES, rules, ScanFacts(), background="normal")
    return decision, pooled


def _refused_line(rng: np.random.Generator, slides: int, refused: float) -> str:
    decisions = [decided(refused_tumour(rng, int(rng.integers(200, 5000)), 0.10, refused))[0] for _ in range(slides)]
    negative = [decision for decision in decisions if decision.negative]
    silent = sum(not decision.review_reasons for decision in negative)
    reasons = Counter(code for decision in negative for code in decision.review_reasons)
    told = ", ".join(f"`{code}` {count}" for code, count in reasons.most_common())
    return f"| {refused:.0%} | {len(negative)} of {slides} | {silent} | {told} |"


def _normal_line(rng: np.random.Generator, slides: int, n: int, error: float, refused: float) -> str:
    found = [decided(normal_with_errors(rng, n, error, refused)) for _ in range(slides)]
    scores = [pooled.hotspot for _, pooled in found]
    called = [decision for decision, _ in found if decision.call in ("adenocarcinoma", "squamous_cell_carcinoma")]
    silent = sum(not decision.review_reasons for decision in called)
    done = sum(not decision.review_reasons for decision, _ in found) - silent
    score = f"{np.median(scores):.2f} ({np.percentile(scores, 95):.2f})"
    return (
        f"| {n:,} | {error:.1%} | {refused:.0%} | {score} | {len(called)} of {slides} | {silent} | {done} of {slides} |"
    )


def _disk(n: int) -> NDArray[np.int32]:
    """The `n` cells nearest to the middle of a square."""
    side = 2 * int(np.ceil(np.sqrt(n / np.pi))) + 3
    cells = np.indices((side, side)).reshape(2, -1).T
    order = np.argsort(((cells - side // 2) ** 2).sum(axis=1), kind="stable")[:n]
    return np.sort(cells[order].view("i8,i8"), axis=0).view(np.int64).reshape(-1, 2).astype(np.int32)


def _noisy(rng: np.random.Generator, p: NDArray[np.float64]) -> NDArray[np.float64]:
    noisy = np.clip(p + rng.normal(0.0, 0.01, p.shape), 1e-3, None)
    return noisy / noisy.sum(axis=1, keepdims=True)


def _grid(cell: NDArray[np.int32]) -> Grid:
    rows, columns = cell.max(axis=0) + 1
    tissue = np.zeros((rows, columns), np.bool_)
    tissue[cell[:, 0], cell[:, 1]] = True
    xy = (cell[:, ::-1] * _TILE_PX).astype(np.int32)
    return Grid(
        plan=ReadPlan(level=0, read_px=224, tile_px=224, mpp=1.0, span_px=_TILE_PX),
        shape=(int(rows), int(columns)),
        origin_px=(0, 0),
        cell_px=_TILE_PX,
        cells_per_side=1,
        xy=xy,
        level_xy=xy,
        cell=cell,
        tissue_fraction=np.ones(len(cell), np.float32),
        quality=np.zeros(len(cell), np.uint8),
        tissue_cells=tissue,
    )


if __name__ == "__main__":
    main()
