"""What would make a model look better than it is: one picture in two classes or on both sides of a split, one patient
in two source groups. Refused where only a person can say what is right; else the groups are taken together, and named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from classifier.dataset.copies import copies, look_at
from classifier.dataset.split import TRAIN, VALIDATION
from classifier.dataset.tile_list import TileRecord, TileSet
from tiler.spec import TileSpec
from wsi.errors import DatasetError


@dataclass(frozen=True)
class Leak:
    """Two tiles that show one picture."""

    one: TileRecord
    other: TileRecord

    def __str__(self) -> str:
        return f"{self.one.where} and {self.other.where} show one picture"

    @property
    def in_two_splits(self) -> bool:
        return self.one.split != self.other.split


def find_leaks(tiles: TileSet, spec: TileSpec) -> list[Leak]:
    """Pictures that stand in two classes or two source groups. Reads every tile. Raises DatasetError for a bad one."""
    looks = look_at(tiles, spec)
    return [Leak(tiles.records[i], tiles.records[j]) for i, j in copies(tiles, looks, spec)]


def without_leaks(tiles: TileSet, spec: TileSpec) -> TileSet:
    """The same tiles, groups that share a picture or a patient taken as one; warnings name them. The split `test` is
    not looked at: nothing is learned from it, and nothing measured on it.

    Raises DatasetError where one picture is in two classes, or in two splits of the list.
    """
    leaks = find_leaks(tiles.of_split("", TRAIN, VALIDATION), spec)
    for leak in leaks:
        _refuse(leak)
    together = _Together()
    warnings = [*_join_copies(leaks, together), *_join_patients(tiles, together)]
    records = tuple(replace(record, group=together.name_of(record.group)) for record in tiles.records)
    return replace(tiles, records=records, warnings=(*tiles.warnings, *warnings))


def leak_warning(tiles: TileSet, judged: str, spec: TileSpec) -> str:
    """A sentence where pictures of the split `judged` also stand in the list's train split, else "". Raises
    DatasetError."""
    if judged in ("", TRAIN):
        return ""
    leaks = [leak for leak in find_leaks(tiles.of_split(judged, TRAIN), spec) if leak.in_two_splits]
    if not leaks:
        return ""
    return (
        f"Pictures that were judged also stand in the train split of the list, {len(leaks)} times (first {leaks[0]}). "
        "If the model learned from those, the figures read too high."
    )


def _refuse(leak: Leak) -> None:
    """Raises DatasetError where only a person can say what is right."""
    one, other = leak.one, leak.other
    if one.label != other.label:
        raise DatasetError(f"{leak}, as {one.label} and as {other.label}", hint="take out the wrong row, or both")
    if leak.in_two_splits:
        raise DatasetError(
            f"{leak}, in {one.split} and in {other.split}",
            hint="keep one of them, or put the source groups of both into one split",
        )


def _join_copies(leaks: list[Leak], together: _Together) -> Iterator[str]:
    joined = sum(together.join(leak.one.group, leak.other.group) for leak in leaks)
    if joined:
        yield f"Source groups that share a picture are taken as one ({joined} fewer; first {leaks[0]})."


def _join_patients(tiles: TileSet, together: _Together) -> Iterator[str]:
    """Joins the groups of a patient, within a split; names of patients are never told."""
    first: dict[tuple[str, str], str] = {}
    joined = sum(
        together.join(first.setdefault((record.patient, record.split), record.group), record.group)
        for record in tiles.records
        if record.patient
    )
    if joined:
        yield f"Source groups of one patient are taken as one ({joined} fewer)."


class _Together:
    """Groups that have become one: which name each goes by, the first in the order of the names."""

    def __init__(self) -> None:
        self._under: dict[str, str] = {}

    def name_of(self, group: str) -> str:
        while group in self._under:
            group = self._under[group]
        return group

    def join(self, one: str, other: str) -> bool:
        """Whether they were two until now."""
        first, second = sorted((self.name_of(one), self.name_of(other)))
        if first == second:
            return False
        self._under[second] = first
        return True
