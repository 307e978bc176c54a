"""Several readers, the same cases, two or more ways to read (without the model and with it): whether the ways differ
for readers and cases like these, and not only for these.

Obuchowski and Rockette 1995 (doi 10.1080/03610919508813243) with the degrees of freedom of Hillis 2007 (doi
10.1002/sim.2532). Readers and cases are random; every reader reads every case in every way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from classifier.evaluation.curves.areas import delong_areas
from classifier.evaluation.intervals import INTERVAL, Figure, Groups


@dataclass(frozen=True)
class ErrorTerms:
    """Variance and covariances of a reader's figure over cases: of one reader and way (`error`), of one reader in two
    ways (`cov1`), of two readers in one way (`cov2`), of two readers in two ways (`cov3`)."""

    error: float
    cov1: float
    cov2: float
    cov3: float


@dataclass(frozen=True)
class MrmcStudy:
    """`means` has a figure a way; `differences` each pair of ways (first, second, first minus second). F, its degrees
    of freedom and p are of the hypothesis that all ways are alike."""

    means: tuple[Figure, ...]
    differences: tuple[tuple[int, int, Figure], ...]
    terms: ErrorTerms
    reader_variance: float
    way_by_reader_variance: float
    f: float
    df1: float
    df2: float
    p: float


def study_areas(ratings: NDArray[np.floating], positive: NDArray[np.bool_], groups: Groups | None = None) -> MrmcStudy:
    """The study of areas under the ROC curve. `ratings` (t, r, n) of t ways, r readers and n cases, whose patients are
    `groups` (n,)."""
    ways, readers, cases = ratings.shape
    areas, covariance = delong_areas(ratings.reshape(ways * readers, cases), positive, groups)
    return obuchowski_rockette(areas.reshape(ways, readers), covariance.reshape(ways, readers, ways, readers))


def obuchowski_rockette(figures: NDArray[np.floating], covariance: NDArray[np.floating]) -> MrmcStudy:
    """The study of any `figures` (t, r), whose `covariance` over cases is (t, r, t, r). Two ways and two readers at
    least, else ValueError."""
    ways, readers = figures.shape
    if ways < 2 or readers < 2:
        raise ValueError("a study of readers needs two ways to read, and two readers")
    of_way = tuple(_terms(covariance[i : i + 1, :, i : i + 1, :]) for i in range(ways))
    return _study(np.asarray(figures, np.float64), _terms(covariance), tuple(terms.cov2 for terms in of_way))


def _study(figures: NDArray[np.float64], terms: ErrorTerms, cov2_of_way: tuple[float, ...]) -> MrmcStudy:
    ways, readers = figures.shape
    ms_way, ms_reader, ms_both = _mean_squares(figures)
    denominator = ms_both + max(readers * (terms.cov2 - terms.cov3), 0.0)
    df1, df2 = ways - 1, _degrees(denominator, ms_both, (ways - 1) * (readers - 1))
    f = ms_way / denominator if denominator else math.nan
    means = figures.mean(axis=1)
    reach = math.sqrt(2 * denominator / readers)
    return MrmcStudy(
        means=tuple(_mean_of_way(row, cov2) for row, cov2 in zip(figures, cov2_of_way, strict=True)),
        differences=tuple(
            (i, j, _with_t(float(means[i] - means[j]), reach, df2, readers)) for i, j in combinations(range(ways), 2)
        ),
        terms=terms,
        reader_variance=(ms_reader - ms_both) / ways - terms.cov1 + terms.cov3,
        way_by_reader_variance=ms_both - terms.error + terms.cov1 + terms.cov2 - terms.cov3,
        f=f,
        df1=df1,
        df2=df2,
        p=_p(f, df1, df2),
    )


def _mean_squares(figures: NDArray[np.float64]) -> tuple[float, float, float]:
    """Of ways, of readers, and of both together."""
    ways, readers = figures.shape
    of_way, of_reader, whole = figures.mean(axis=1), figures.mean(axis=0), figures.mean()
    rest = figures - of_way[:, None] - of_reader[None] + whole
    return (
        float(readers * ((of_way - whole) ** 2).sum() / (ways - 1)),
        float(ways * ((of_reader - whole) ** 2).sum() / (readers - 1)),
        float((rest**2).sum() / ((ways - 1) * (readers - 1))),
    )


def _terms(covariance: NDArray[np.floating]) -> ErrorTerms:
    """Means over the parts of a (t, r, t, r) covariance; NaN where there are none."""
    ways, readers = covariance.shape[:2]
    same_way = np.broadcast_to(np.eye(ways, dtype=bool)[:, None, :, None], covariance.shape)
    same_reader = np.broadcast_to(np.eye(readers, dtype=bool)[None, :, None, :], covariance.shape)

    def mean(of: NDArray[np.bool_]) -> float:
        return float(covariance[of].mean()) if of.any() else math.nan

    return ErrorTerms(
        error=mean(same_way & same_reader),
        cov1=mean(~same_way & same_reader),
        cov2=mean(same_way & ~same_reader),
        cov3=mean(~same_way & ~same_reader),
    )


def _mean_of_way(figures: NDArray[np.float64], cov2: float) -> Figure:
    """The mean of one way's figures (r,), with its interval from that way alone, cut off at 0 and 1."""
    readers = len(figures)
    between = float(figures.var(ddof=1))
    spread = between + max(readers * cov2, 0.0)
    df = _degrees(spread, between, readers - 1)
    whole = _with_t(float(figures.mean()), math.sqrt(spread / readers), df, readers)
    return replace(whole, low=max(whole.low, 0.0), high=min(whole.high, 1.0))


def _p(f: float, df1: float, df2: float) -> float:
    from scipy.stats import chi2
    from scipy.stats import f as f_distribution

    return float(chi2.sf(f * df1, df1) if math.isinf(df2) else f_distribution.sf(f, df1, df2))


def _degrees(whole: float, of_readers: float, free: int) -> float:
    """Hillis' degrees of freedom; without end where readers do not differ at all."""
    return free * (whole / of_readers) ** 2 if of_readers > 0 else math.inf


def _with_t(value: float, error: float, df: float, readers: int) -> Figure:
    from scipy.stats import t

    reach = float(t.ppf((1 + INTERVAL) / 2, df)) * error
    return Figure(value, value - reach, value + reach, readers)
