"""A sequential test for a change in a stream of numbers, with a rate of false alarms that holds whatever their law is.

Each new number is ranked among all before it. While nothing changes any order is as likely as any other, so the ranks
are uniform and independent (conformal p-values, Vovk et al. 2003). On each a fair bet is laid that it comes out low,
high, or at either end; a bet that wins again and again multiplies its stake. The Shiryaev-Roberts sum of such stakes,
raised as an alarm where it passes `level`, has a mean run length of at least `level` numbers between false alarms
("e-detectors", Shin, Ramdas and Rinaldo 2022). Nothing is assumed of how the numbers are spread; that they come in no
order of their own is.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Bets k * p ** (k - 1) integrate to 1 for any k: small ones win much on few extreme ranks, large ones little on many.
_POWERS = (0.2, 0.5, 0.8)
_ENDS = 0.9  # how much is laid on both ends at once
_LEAST_RANK = 1e-9
_MOST_EVIDENCE = 1e300


@dataclass(frozen=True)
class Verdict:
    """`at` is the index, among the numbers that were judged, of the first alarm; None where there is none. `evidence`
    is the largest Shiryaev-Roberts sum, of which `level` would have been an alarm; `judged` how many numbers came after
    the baseline. `since` is the index from which on the best bet won most, `higher` whether the numbers from there to
    the alarm lie mostly above those before."""

    at: int | None
    evidence: float
    judged: int
    since: int = 0
    higher: bool = False


def watch(values: Sequence[float], keys: Sequence[str], baseline: int, level: float) -> Verdict:
    """Judges `values` in their order, after the first `baseline`. `keys` (as many) settle which of equal values counts
    as the larger, the same way each time."""
    ranks = conformal_ranks(values, keys)[baseline:]
    if not len(ranks):
        return Verdict(None, 0.0, 0)
    bets = _bets(ranks)
    sums = _shiryaev_roberts(bets)
    alarms = np.flatnonzero(sums >= level)
    if not len(alarms):
        return Verdict(None, float(sums.max()), len(ranks))
    at = int(alarms[0])
    since = _beginning(bets[:, : at + 1])
    return Verdict(at, float(sums.max()), len(ranks), since, higher=bool(ranks[since : at + 1].mean() < 0.5))


def _beginning(bets: NDArray[np.floating]) -> int:
    """Of bets (bets, n), from which number on the one that won most up to the last would have won most."""
    won = np.cumsum(np.log(bets), axis=1)
    before = np.concatenate([np.zeros((len(bets), 1)), won[:, :-1]], axis=1)
    best = int((won[:, -1] - before.min(axis=1)).argmax())
    return int(before[best].argmin())


def conformal_ranks(values: Sequence[float], keys: Sequence[str]) -> NDArray[np.float64]:
    """(n,) share of the values so far, each with itself, that lie above it: uniform on 0 to 1 while nothing changes."""
    ordered: list[float] = []
    ranks = np.empty(len(values))
    for index, (value, key) in enumerate(zip(values, keys, strict=True)):
        below, up_to = bisect_left(ordered, value), bisect_right(ordered, value)
        above, equal = len(ordered) - up_to, up_to - below
        ranks[index] = (above + _chance(key) * (equal + 1)) / (len(ordered) + 1)
        insort(ordered, value)
    return ranks


def _chance(key: str) -> float:
    """A number in 0 to 1 that has nothing to do with what the key belongs to, and is the same in every run."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2.0**64


def _bets(ranks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(bets, n) what each bet multiplies its stake by; each has a mean of 1 over uniform ranks."""
    low = np.clip(ranks, _LEAST_RANK, 1 - _LEAST_RANK)
    powers = np.array(_POWERS)[:, None]
    both_ends = 1 + _ENDS * (4 * np.abs(low - 0.5) - 1)
    return np.concatenate([powers * low ** (powers - 1), powers * (1 - low) ** (powers - 1), both_ends[None]])


def _shiryaev_roberts(bets: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n,) mean over bets (bets, n) of the sum of what was won by each who began at any number so far."""
    sums, total = np.empty(bets.shape[1]), np.zeros(len(bets))
    for index in range(bets.shape[1]):
        total = np.minimum((1 + total) * bets[:, index], _MOST_EVIDENCE)
        sums[index] = total.mean()
    return sums
