"""A registry: the models that a laboratory has promoted, by name and number, and which of them counts.

    audit.jsonl      who promoted or rolled back what, when, by which gate: a chain, see `app.ledger.audit`
    NAME@1, NAME@2   model folders, never changed; NAME@1 is what stood before the first promotion

What counts is what the last line of a name says. A folder that no line names is left over from a killed process.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.ledger.audit import AUDIT, AuditLog, audit_key, check_chain, current_user
from app.ledger.lines import numbered_lines
from app.ledger.locks import prepare_locks, try_lock
from app.upkeep.candidate.gate import read_gate
from classifier.model_folder.card import ModelCard, is_model_name
from classifier.model_folder.files import read_card, read_folder
from classifier.model_folder.find import find_model
from wsi.errors import ModelNotFoundError, OutputBusyError, StoreError, UsageError
from wsi.files.reading import parse_json
from wsi.files.writing import unwritable

REGISTRY_VARIABLE = "PULMOSCOPE_REGISTRY"
CURRENT = "current"
_LOCK = "registry"
_ADDRESS = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})@(current|[1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Entry:
    """A line of the registry: `event` is `promoted` or `rolled-back`, `version` what counted from then on."""

    event: str
    name: str
    version: int
    model_sha256: str
    by: str
    at: str


class Registry:
    """Raises StoreError where its chain was altered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self) -> list[Entry]:
        """In the order they were written; none where there is no registry yet. Raises StoreError."""
        path = self.folder / AUDIT
        if not path.exists():
            return []
        chain = check_chain(path, audit_key())
        if chain.problems:
            raise StoreError(f"the registry {self.folder.name} was altered: {chain.problems[0]}")
        return list(_read(path))

    def entries_of(self, name: str) -> list[Entry]:
        """Those of one name. Raises StoreError."""
        return [entry for entry in self.entries() if entry.name == name]

    def current(self, name: str) -> Entry | None:
        """What counts under a name, None where nothing was promoted. Raises StoreError."""
        return next((entry for entry in reversed(self.entries()) if entry.name == name), None)

    def find(self, address: str) -> Path:
        """The folder of `NAME@NUMBER` or `NAME@current`, its card held against the chain.

        Raises ModelNotFoundError, StoreError, ModelError.
        """
        fits = _ADDRESS.fullmatch(address)
        if fits is None:
            raise ModelNotFoundError(f"{address} is no address of a model", hint="write NAME@2 or NAME@current")
        name, wanted = fits.groups()
        known = {entry.version: entry.model_sha256 for entry in self.entries() if entry.name == name}
        current = self.current(name)
        version = current.version if wanted == CURRENT and current else int(wanted) if wanted != CURRENT else 0
        if version not in known:
            there = ", ".join(f"{name}@{number}" for number in sorted(known)) or "nothing under that name"
            raise ModelNotFoundError(f"the registry knows no {address}", hint=f"it holds {there}")
        path = self.folder / f"{name}@{version}"
        if read_card(path).digest != known[version]:
            raise StoreError(f"{path.name} is not the model that was promoted", hint="put the registry's backup back")
        return path

    def promote(self, candidate: Path, gate: Path, by: str, *, name: str = "", base: str | None = None) -> Entry:
        """Makes a candidate count that passed its gate against what counts now. `by` is a person's name; `name` that of
        the base unless told; `base` names what stood before the first promotion. Raises UsageError, ModelError,
        StoreError, OutputBusyError, OutputUnwritableError."""
        who = _person(by)
        card = read_folder(candidate).card
        told = read_gate(gate)
        with self._ours() as log:
            _check_gate(told, card)
            name = name or told["base"]["name"]
            counted = self.current(name) or self._begin(log, name, told["base"], base, who)
            if counted.model_sha256 != told["base"]["sha256"]:
                stands = f"{name}@{counted.version}"
                raise UsageError(
                    f"the gate judged against {told['base']['sha256'][:12]}, and {stands} counts by now",
                    hint="judge the candidate against that",
                )
            version = max(entry.version for entry in self.entries() if entry.name == name) + 1
            self._put(candidate, f"{name}@{version}")
            return self._say(log, "promoted", name, version, card.digest, who, gate_sha256=told["sha256"])

    def roll_back(self, address: str, by: str) -> Entry:
        """Makes an earlier version count again. Raises as `find` does, UsageError where it counts already."""
        who, path = _person(by), self.find(address)
        name, _, version = path.name.partition("@")
        with self._ours() as log:
            counted = self.current(name)
            if counted is not None and counted.version == int(version):
                raise UsageError(f"{path.name} counts already")
            return self._say(log, "rolled-back", name, int(version), read_card(path).digest, who)

    @contextmanager
    def _ours(self) -> Iterator[AuditLog]:
        prepare_locks(self.folder)
        with try_lock(self.folder, _LOCK) as ours:
            if not ours:
                raise OutputBusyError("somebody else is promoting a model here", hint="see what counts then")
            yield AuditLog(self.folder, current_user(), "registry")

    def _begin(self, log: AuditLog, name: str, told: Mapping[str, str], base: str | None, who: str) -> Entry:
        """Takes in what stood before the first promotion, so that one can go back to it: `base`, or the packaged model
        of the name that the gate tells."""
        if not is_model_name(name):
            raise UsageError(f"{name!r} is no model's name")
        stood = find_model(base or told["name"])
        if read_card(stood).digest != told["sha256"]:
            raise UsageError(f"{stood.name} is not the model that the gate judged against", hint="give it with --base")
        self._put(stood, f"{name}@1")
        return self._say(log, "promoted", name, 1, told["sha256"], who)

    def _put(self, model: Path, folder_name: str) -> None:
        """A copy of a model's folder in its place, whole or not there. Raises OutputUnwritableError, ModelError."""
        place, staged = self.folder / folder_name, self.folder / f".{folder_name}.partial"
        try:
            for left in (staged, place):  # of a process that was killed before its line: no line names it
                shutil.rmtree(left, ignore_errors=True)
            shutil.copytree(model, staged)
            read_folder(staged)
            staged.rename(place)
        except OSError as error:
            raise unwritable(folder_name, error) from error

    def _say(
        self,
        log: AuditLog,
        event: Literal["promoted", "rolled-back"],
        name: str,
        version: int,
        sha256: str,
        who: str,
        **facts: str,
    ) -> Entry:
        told = {"model": name, "version": str(version), "model_sha256": sha256, "by": who, **facts}
        log.record(event, "", told, durable=True)
        said = self.current(name)
        assert said is not None
        return said


def registered(address: str, folder: Path | None = None) -> Path:
    """The folder of a promoted model, `NAME@2` or `NAME@current`, in the registry that is given or that
    PULMOSCOPE_REGISTRY names. Raises UsageError where none is, and as `Registry.find` does."""
    return open_registry(folder).find(address)


def registered_name(folder: Path) -> str:
    """NAME of a registry's folder NAME@2. Raises UsageError where it is none."""
    fits = _ADDRESS.fullmatch(folder.name)
    if fits is None:
        raise UsageError(f"{folder.name} is no promoted model", hint="write --model NAME@current")
    return fits.group(1)


def open_registry(folder: Path | None = None) -> Registry:
    """The one that is given, or that PULMOSCOPE_REGISTRY names. Raises UsageError where none is."""
    named = os.environ.get(REGISTRY_VARIABLE, "")
    if folder is None and not named:
        raise UsageError("no registry of models is given", hint=f"give --registry DIR, or set {REGISTRY_VARIABLE}")
    return Registry(folder or Path(named))


def _read(path: Path) -> Iterator[Entry]:
    for _, line in numbered_lines(path):
        try:
            told = parse_json(line)
        except (ValueError, json.JSONDecodeError):
            continue  # torn: the chain's check allows it
        if isinstance(told, dict) and told.get("event") in ("promoted", "rolled-back"):
            yield Entry(
                told["event"], told["model"], int(told["version"]), told["model_sha256"], told["by"], told["time"]
            )


def _check_gate(told: dict[str, object], card: ModelCard) -> None:
    candidate = told["candidate"]
    if not isinstance(candidate, dict) or candidate.get("sha256") != card.digest:
        raise UsageError("the gate judged another model than this", hint="judge this candidate")
    if told.get("passed") is not True:
        raise UsageError(f"{card.name} did not pass its gate", hint="see the report; it can't be promoted")


def _person(name: str) -> str:
    kept = " ".join(name.split())
    if len(kept) < 2:
        raise UsageError("a model is promoted by a person", hint="give your name with --by")
    return kept[:100]
