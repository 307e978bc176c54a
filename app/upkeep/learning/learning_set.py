"""A learning set: a folder that only ever grows by signed regions, and lets go of what is withdrawn.

audit.jsonl what was learned, withdrawn, and which models were trained on it: a chain, see `app.ledger.audit`
regions/<sha256>.json a region: its outline, who signed it, its tiles
tiles/<sha256>.png    a tile
tiles.csv             the tiles as they stand, as `pulmoscope train` reads them; written anew from the rest
regions.geojson       the outlines as they stand; written anew from the rest

What stands is what the chain says: a file that it does not name is left over from a killed process and counts for
nothing. The version of a set is the head of its chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.ledger.audit import AUDIT, AuditEvent, AuditLog, audit_key, check_chain, current_user
from app.ledger.lines import numbered_lines
from app.ledger.locks import prepare_locks, try_lock
from app.upkeep.learning.outlines import as_geojson
from app.upkeep.learning.record import LearnedRegion
from wsi.errors import OutputBusyError, StoreError, UsageError
from wsi.files.csv_cells import csv_line, inert
from wsi.files.reading import parse_json, read_regular
from wsi.files.writing import unwritable, write_file

REGIONS, TILES, LIST, OUTLINES = "regions", "tiles", "tiles.csv", "regions.geojson"
COLUMNS = ("file", "class", "source_group", "split", "mpp", "patient", "site", "reviewer", "signed_at", "region")
_MAX_REGION_BYTES = 4 << 20
_LOCK = "learning"


@dataclass(frozen=True)
class Standing:
    """What a set holds now. `regions` by digest, in the order they were learned; `withdrawn` those that no longer
    count; `models` (SHA-256 of card, regions that it saw) that were trained on it."""

    version: str
    regions: Mapping[str, LearnedRegion]
    withdrawn: frozenset[str]
    models: tuple[tuple[str, frozenset[str]], ...]

    @property
    def signatures(self) -> frozenset[str]:
        """The (signature and region) that are learned and stand."""
        return frozenset(f"{one.signature_sha256}/{one.region_id}" for one in self.regions.values())

    def models_of(self, regions: frozenset[str]) -> tuple[str, ...]:
        """The models that saw any of these regions."""
        return tuple(model for model, seen in self.models if seen & regions)


class LearningSet:
    """A learning set's folder. Raises UsageError where it holds something else, StoreError where it was altered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def begun(self) -> bool:
        """Whether anything was ever learned into it."""
        return (self.folder / AUDIT).exists()

    def standing(self) -> Standing:
        """Reads the chain and what stands. Raises UsageError, StoreError (altered, or a file is missing)."""
        if not self.begun:
            raise UsageError(f"{self.folder} is no learning set", hint="`pulmoscope learn` makes one")
        chain = check_chain(self.folder / AUDIT, audit_key())
        if chain.problems:
            raise StoreError(f"{self.folder.name} was altered: {chain.problems[0]}")
        stands: dict[str, None] = {}
        withdrawn: set[str] = set()
        models: list[tuple[str, frozenset[str]]] = []
        for entry in self._entries():
            digest = entry.get("region_sha256", "")
            if entry["event"] == "learned":
                stands[digest] = None
                withdrawn.discard(digest)
            elif entry["event"] == "withdrawn":
                withdrawn.add(digest)
                stands.pop(digest, None)
            elif entry["event"] == "trained":
                models.append((entry.get("model_sha256", ""), frozenset(stands)))
        regions = {digest: self._region(digest) for digest in stands}
        return Standing(chain.head, regions, frozenset(withdrawn), tuple(models))

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A hand on the set that nobody else has. Raises OutputBusyError, OutputUnwritableError."""
        prepare_locks(self.folder)
        with try_lock(self.folder, _LOCK) as ours:
            if not ours:
                raise OutputBusyError(f"{self.folder.name} is being written to", hint="try again when that has ended")
            try:
                for name in (REGIONS, TILES):
                    (self.folder / name).mkdir(exist_ok=True)
            except OSError as error:
                raise unwritable(self.folder.name, error) from error
            yield Writing(self, AuditLog(self.folder, current_user(), "learning"))

    def _entries(self) -> Iterator[Mapping[str, str]]:
        for _, line in numbered_lines(self.folder / AUDIT):
            try:
                entry = parse_json(line)
            except ValueError:
                continue  # torn: the chain's check has told of it
            if isinstance(entry, dict):
                yield entry

    def _region(self, digest: str) -> LearnedRegion:
        path = self.folder / REGIONS / f"{digest}.json"
        try:
            region = LearnedRegion.from_facts(parse_json(read_regular(path, _MAX_REGION_BYTES)))
        except FileNotFoundError as error:
            raise StoreError(f"{self.folder.name}: region {digest[:12]} is missing") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self.folder.name}: region {digest[:12]} is not as it was written") from error
        if region.sha256 != digest:
            raise StoreError(f"{self.folder.name}: region {digest[:12]} was altered")
        return region


class Writing:
    """What may be done to a set while its lock is held. Files come first, then the line that makes them count."""

    def __init__(self, held: LearningSet, log: AuditLog) -> None:
        self._set, self._log = held, log

    def learn(self, region: LearnedRegion, pictures: Mapping[str, bytes]) -> None:
        """Keeps a region with its tiles (`pictures`: SHA-256 -> PNG). Raises OutputUnwritableError."""
        folder = self._set.folder
        try:
            for digest, picture in pictures.items():
                write_file(folder / TILES / f"{digest}.png", picture)
            write_file(folder / REGIONS / f"{region.sha256}.json", region.content())
        except OSError as error:
            raise unwritable(folder.name, error) from error
        self._record("learned", region, {"signature_sha256": region.signature_sha256})

    def withdraw(self, region: LearnedRegion, why: str) -> None:
        """Takes a region back: from now on it does not count. `tidy` deletes what was kept of it."""
        self._record("withdrawn", region, {"why": why})

    def tidy(self) -> None:
        """Deletes what does not count: the tiles and outlines of regions that were withdrawn, and what killed processes
        left. Raises OutputUnwritableError, StoreError."""
        standing = self._set.standing()
        tiles = {f"{tile.sha256}.png" for region in standing.regions.values() for tile in region.tiles}
        regions = {f"{digest}.json" for digest in standing.regions}
        try:
            for name, kept in ((TILES, tiles), (REGIONS, regions)):
                for path in (self._set.folder / name).iterdir():
                    if path.name not in kept:
                        path.unlink()
        except OSError as error:
            raise unwritable(self._set.folder.name, error) from error

    def trained(self, model_sha256: str) -> None:
        """Notes that a model was trained on the set as it stands."""
        self._log.record("trained", "", {"model_sha256": model_sha256}, durable=True)

    def settle(self) -> None:
        """Ends a change: what does not count is deleted, the lists say what stands. Raises as `tidy`."""
        if self._set.begun:
            self.tidy()
            self.list_tiles()

    def list_tiles(self) -> Path:
        """Writes `tiles.csv` and `regions.geojson` anew from what stands; the path of the first. Raises
        OutputUnwritableError, StoreError."""
        standing = self._set.standing()
        lines = [csv_line(COLUMNS), *(csv_line(cells) for cells in _cells(standing))]
        try:
            write_file(self._set.folder / LIST, "".join(lines).encode("utf-8", "backslashreplace"))
            write_file(self._set.folder / OUTLINES, as_geojson(standing.regions))
        except OSError as error:
            raise unwritable(self._set.folder.name, error) from error
        return self._set.folder / LIST

    def _record(self, event: AuditEvent, region: LearnedRegion, facts: Mapping[str, str]) -> None:
        self._log.record(event, region.slide_id, {"region_sha256": region.sha256, **facts}, durable=True)


def _cells(standing: Standing) -> Iterator[tuple[str, ...]]:
    seen = set()
    for digest, region in standing.regions.items():
        for tile in region.tiles:
            if tile.sha256 in seen:
                continue
            seen.add(tile.sha256)
            told = (inert(region.patient), inert(region.site), inert(region.reviewer), region.signed_at, digest)
            file = f"{TILES}/{tile.sha256}.png"
            yield (file, region.label, inert(region.group), region.split, f"{region.mpp:.6g}", *told)
