"""Proves a run's output whole: each result against its own digests, the table and the audit log against the results.
Changes nothing; `repair` does."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aggregate.layout.attributes import is_slide_id
from aggregate.result import SlideStatus
from aggregate.result_folder import SUFFIX, committed_digests, load_summary, look_over, result_path
from aggregate.store import verify
from app.ledger.audit import AUDIT, Chain, Vouched, audit_key, check_chain
from app.ledger.records import SLIDES_CSV, SlideRow
from app.ledger.slide_ids import read_slide_ids
from app.ledger.table import StoredTable, read_table
from wsi.errors import StoreError, UsageError
from wsi.text import visible

_NAMED = 10


@dataclass(frozen=True)
class Verification:
    """`results`: result name -> its problems, empty where it is whole. `audit`, `table`: what is wrong with the audit
    log, and with rows of slides that have no result. `notes` are told and are no fault. `head`: of the audit log.
    `mixed`: where results of several models or settings stand side by side, how many of each. `missing`: slides that
    runs here were asked for and that have no row yet, as those of a part that was not run. `reviews`: what is wrong
    with the `signed` records of people, which are not of this room; `people` is whether the log knows of any. `quick`:
    results were looked over, and their arrays not read."""

    results: dict[str, list[str]]
    audit: list[str]
    notes: list[str]
    table: list[str] = field(default_factory=list)
    head: str = ""
    missing: tuple[str, ...] = ()
    mixed: dict[str, int] = field(default_factory=dict)
    reviews: list[str] = field(default_factory=list)
    signed: int = 0
    people: bool = False
    quick: bool = False

    @property
    def broken(self) -> dict[str, list[str]]:
        return {name: problems for name, problems in self.results.items() if problems}

    @property
    def is_whole(self) -> bool:
        return not (self.broken or self.audit or self.table or self.reviews)


def verify_results(folder: Path, head: str = "", *, quick: bool = False) -> Verification:
    """Checks every result folder in `folder`, or `folder` itself, if it is one (then without table and audit log).

    A row of the table whose result is missing or says something else is a problem of that result, and so is a
    digest that the audit log does not know. `head` is one that was noted before: the log must still hold it. `quick`
    leaves out the arrays: names and sizes of files, table, log and what each result says of itself. Raises UsageError
    where there is nothing to verify, or the audit key is none.
    """
    check = look_over if quick else verify
    if folder.suffix == SUFFIX:
        return Verification({folder.name: check(folder)}, [], [], quick=quick)
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give the --out of `pulmoscope run`")
    checked = {path.name: check(path) for path in sorted(folder.glob(f"*{SUFFIX}"))}
    stored = read_table(folder)
    if not (checked or stored.rows or stored.flaws or (folder / AUDIT).exists()):
        raise UsageError(f"{folder} holds no result", hint="give the --out of `pulmoscope run`")
    _check_rows(folder, stored, checked)
    # The log is read last: a run that goes on meanwhile records a result before it can be seen.
    chain = _chain(folder, any(not problems for problems in checked.values()))
    if head and head not in chain.links:
        chain.problems.append(f"the line with the head {head[:64]} is not in it: the log was cut or written anew")
    for name, problems in checked.items():
        if not problems:
            problems += _unvouched(folder / name, chain)
    table = stored.flaws + _unaccounted(stored, chain)
    return Verification(
        checked,
        chain.problems,
        chain.notes,
        table,
        chain.head,
        _missing(folder, stored),
        _mixed(stored),
        people=bool(chain.sealing or chain.sealed),
        quick=quick,
    )


def report_of(found: Verification, repairs: list[str], *, as_json: bool) -> str:
    """What was found and repaired, as lines or as one JSON object."""
    if as_json:
        facts: dict[str, Any] = {
            "broken": found.broken,
            "table": found.table,
            "audit": found.audit,
            "notes": found.notes,
        }
        facts["missing"], facts["mixed"] = list(found.missing), found.mixed
        facts["reviews"], facts["signed"] = found.reviews, found.signed
        counted = {"results": len(found.results)} | ({"quick": True} if found.quick else {})
        return json.dumps({**counted, **facts, "repairs": repairs, "head": found.head})
    lines = [f"{name}: {problem}" for name, problems in found.broken.items() for problem in problems]
    lines += found.table
    lines += [f"{AUDIT}: {problem}" for problem in found.audit]
    lines += [f"{AUDIT}: note: {note}" for note in found.notes]
    lines += found.reviews
    lines += [f"repaired: {repair}" for repair in repairs]
    if found.missing:
        named = ", ".join(found.missing[:_NAMED]) + (", ..." if len(found.missing) > _NAMED else "")
        lines.append(f"{len(found.missing)} slides were asked for and are not in {SLIDES_CSV} yet: {named}")
    if found.mixed:
        parts = "; ".join(f"{count} of {of}" for of, count in found.mixed.items())
        lines.append(f"note: {SLIDES_CSV} holds results of several models or settings: {parts}")
    whole = len(found.results) - len(found.broken)
    state = "complete, their arrays not read (that is done without --quick)" if found.quick else "whole and unaltered"
    lines.append(f"{len(found.results)} results: {whole} {state}, {len(found.broken)} broken")
    if found.signed or found.reviews:
        state = "not as they were signed" if found.reviews else "whole and unaltered"
        lines.append(f"{found.signed} signed records: {state}")
    if found.head:
        lines.append(f"head of {AUDIT}: {found.head}")
    return "\n".join(map(visible, lines))


def disagreements(folder: Path, row: SlideRow, *, models_told: bool = True) -> list[str]:
    """Where a row of the table says something else than its result, a line a cell. Where a whole table tells no models,
    it is an older one, and the row need not."""
    try:
        summary = load_summary(result_path(folder, row.slide_id))
    except StoreError as error:
        return [error.detail]
    stored = SlideRow.of_summary(row.file, summary)
    if not models_told:
        stored = replace(stored, model="", settings="")
    classes = tuple(dict.fromkeys((*stored.probabilities, *row.probabilities)))
    told, wanted = row.cells(classes), stored.cells(classes)
    problems = [
        f"{SLIDES_CSV} says {name} {told[name] or '(nothing)'}, the result {wanted[name] or '(nothing)'}"
        for name in wanted
        if told[name] != wanted[name]
    ]
    if Path(row.file).name != summary["slide"]["file"]:
        problems.append(f"{SLIDES_CSV} says file {row.file}, the result {summary['slide']['file']}")
    return problems


def _check_rows(folder: Path, stored: StoredTable, checked: dict[str, list[str]]) -> None:
    """Adds to each result's problems what its row says otherwise; a result without a row, and a row without one."""
    models_told = any(row.model or row.settings for row in stored.rows.values())
    for row in stored.rows.values():
        name = f"{row.slide_id}{SUFFIX}"
        if row.status is SlideStatus.FAILED:
            continue
        checked.setdefault(name, [f"is missing, though {SLIDES_CSV} says {row.status}"])
        if not checked[name]:
            checked[name] += disagreements(folder, row, models_told=models_told)
    for name, problems in checked.items():
        slide_id = name.removesuffix(SUFFIX)
        if not is_slide_id(slide_id):
            problems.append("has a name that no slide can have")
        elif not problems and slide_id not in stored.rows:
            problems.append(f"has no row in {SLIDES_CSV}")


def _mixed(stored: StoredTable) -> dict[str, int]:
    """How many results are of which model and settings; empty where all are of one."""
    of_each = Counter(f"{row.model}, settings {row.settings}" for row in stored.rows.values() if row.model)
    return dict(sorted(of_each.items())) if len(of_each) > 1 else {}


def _missing(folder: Path, stored: StoredTable) -> tuple[str, ...]:
    with contextlib.suppress(OSError):
        return tuple(sorted(read_slide_ids(folder).keys() - stored.rows.keys()))
    return ()


def _unvouched(result: Path, chain: Chain) -> list[str]:
    """What the audit log says against a result that is whole in itself."""
    try:
        digests = committed_digests(result)
    except StoreError as error:
        return [error.detail]
    slide_id = result.name.removesuffix(SUFFIX)
    if chain.is_older(slide_id, Vouched(**digests)):
        return [f"is an older result: {AUDIT} recorded a later one"]
    known = chain.known(slide_id)
    commits = {one.commit_sha256 for one in known if one.result_sha256 == digests["result_sha256"]}
    if not commits:
        return [f"{AUDIT} has no record of it"]
    # Lines of older versions know what was found, not every file; they count where no line knows more.
    if digests["commit_sha256"] not in (commits - {""} or {digests["commit_sha256"]}):
        return [f"its files are not those that {AUDIT} recorded"]
    return []


def _unaccounted(stored: StoredTable, chain: Chain) -> list[str]:
    """Slides that ended as failed by the log and not by the table, or the other way round."""
    failed = {slide_id: code for slide_id, (event, code) in chain.ended.items() if event == "failed"}
    lines = []
    for slide_id, code in sorted(failed.items()):
        row = stored.rows.get(slide_id)
        if row is None or row.status is not SlideStatus.FAILED or row.error_code != code:
            lines.append(f"{SLIDES_CSV}: {slide_id} failed by {AUDIT} ({code}), the table says otherwise")
    for row in stored.rows.values():
        if row.status is SlideStatus.FAILED and row.slide_id not in failed:
            lines.append(f"{SLIDES_CSV}: {row.slide_id} is told as failed, {AUDIT} knows nothing of that")
    return lines


def _chain(folder: Path, has_results: bool) -> Chain:
    key = audit_key()
    try:
        return check_chain(folder / AUDIT, key)
    except FileNotFoundError:
        return Chain(problems=["is missing"] if has_results else [])
    except OSError as error:
        return Chain(problems=[f"cannot be read ({error.strerror})"])
