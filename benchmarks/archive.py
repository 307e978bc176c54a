"""An output of a hundred thousand results: what resuming a run, `verify --quick`, merging the table and the list of
slides take at 1,000, 10,000 and 100,000, in time, CPU and memory; each should grow as the number does.

`python -m benchmarks.archive [--results 1000 10000 100000] [--dir DIR] [--quick] [--books]`. One small drawn slide is
run; the others' results are that one under names, slide files (stubs of some bytes: they are hashed, never opened) and
digests of their own, each with a line in table, id list and audit log, as a run leaves them. Files that are alike in
all results are one file under many names, so what a cold disk costs is not measured. Some 70 KB of disk a result, all
folders. `--quick`: 300 and 3,000. `--books`: no result folders, and only what keeps the books of all slides at once:
the list, the table's merge, the search for slides and their ids, the check of the audit log.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aggregate import store
from aggregate.layout import commit
from aggregate.result import SlideResult
from aggregate.result_folder import load_summary, result_path
from app.batch.ids import path_key
from app.ledger.audit import AuditLog
from app.ledger.records import SLIDES_CSV, SlideRow, write_rows
from app.ledger.slide_ids import add_slide_ids
from benchmarks.peak_memory import peak_memory
from classifier.model_folder.find import DEMO_MODEL
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
_IDS_AT_ONCE = 1000
# File systems allow a file some 65,000 names.
_NAMES_OF_ONE = 50_000


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--results", type=int, nargs="+", default=[1000, 10_000, 100_000])
    words.add_argument("--dir", type=Path, help="where results are made; default: a temporary folder")
    words.add_argument("--quick", action="store_true")
    words.add_argument("--books", action="store_true")
    asked = words.parse_args()
    for count in [300, 3000] if asked.quick else asked.results:
        with tempfile.TemporaryDirectory(dir=asked.dir) as folder:
            _measure(Path(folder), count, books=asked.books)


def _measure(home: Path, count: int, *, books: bool) -> None:
    began = time.process_time()
    make(home, count, books=books)
    print(f"{count} results made ({time.process_time() - began:.0f} s CPU)", flush=True)
    out, slides = str(home / "out"), str(home / "slides")
    rows = len((home / "out" / SLIDES_CSV).read_text().splitlines()) - 1
    assert rows == count
    of_results: dict[str, list[str]] = {
        "run, all kept": ["-m", "app.cli", "run", slides, "--out", out, "--model", DEMO_MODEL],
        "verify --quick": ["-m", "app.cli", "verify", out, "--quick"],
    }
    of_books: dict[str, list[str]] = {
        "merge a journal of all": ["-c", _MERGE, out],
        "list of slides, first": ["-c", _LIST, out],
        "slides found, ids settled": ["-c", _IDS, out, slides],
        "audit log checked": ["-c", _AUDIT, out],
    }
    jobs = of_books if books else of_results | of_books
    for name, command in jobs.items():
        _report(name, count, [sys.executable, *command])


_MERGE = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from app.ledger.table import JOURNAL, merge_rows, read_table
out = Path(sys.argv[1])
rows = read_table(out).rows.values()
(out / JOURNAL).write_text("".join(json.dumps(asdict(row)) + chr(10) for row in rows))
del rows
assert merge_rows(out, (), ("adenocarcinoma", "normal", "squamous_cell_carcinoma")) == []
"""
_LIST = """
import sys
from pathlib import Path
from app.viewer.gate.visitors import THE_ONE
from app.viewer.pages.worklist.feed import Feed
from app.viewer.site import Site
site = Site(Path(sys.argv[1]))
feed = Feed(site, site.batches)
assert feed.answer("", THE_ONE)
"""
_IDS = """
import sys
from pathlib import Path
from app.batch.ids import settle_ids
from app.batch.inputs import collect_jobs
settle_ids(collect_jobs([Path(sys.argv[2])], None), Path(sys.argv[1]))
"""
_AUDIT = """
import sys
from pathlib import Path
from app.ledger.audit import AUDIT, check_chain
assert not check_chain(Path(sys.argv[1]) / AUDIT).problems
"""


def _report(name: str, count: int, command: Sequence[str]) -> None:
    before, began = _children_s(), time.perf_counter()
    peak = peak_memory(command)
    wall, cpu = time.perf_counter() - began, _children_s() - before
    each = f"{1000 * cpu / count:7.3f} ms CPU each"
    print(f"  {name:<25} {wall:8.1f} s {cpu:8.1f} s CPU {each}  peak {peak.all_mb:6.0f} MB", flush=True)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make(home: Path, count: int, *, books: bool = False) -> None:
    """`home/slides` with `count` stubs, and `home/out` with the results of a run over them, or its books alone."""
    slides, out = home / "slides", home / "out"
    slides.mkdir()
    pattern = _Pattern.run(home)
    ids = [f"made-{number:06}" for number in range(count)]
    for slide_id in ids:
        (slides / f"{slide_id}.svs").write_bytes(b"II*\0 a stub, no slide: " + slide_id.encode())
    out.mkdir()
    (out / ".locks").mkdir()
    audit = AuditLog(out, "benchmark", "made")
    rows = []
    for number, slide_id in enumerate(ids):
        if number % _NAMES_OF_ONE == 0:
            pattern.copy(home / f"shared-{number}")
        file = slides / f"{slide_id}.svs"
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        slide = replace(pattern.result.slide, file=file.name, sha256=sha256)
        mine = replace(pattern.result, slide_id=slide_id, slide=slide)
        digests = dict.fromkeys(("result_sha256", "commit_sha256"), sha256)
        if not books:
            digests = store.committed_digests(pattern.store(mine, out))
        audit.record("run", slide_id, {**_facts(mine), **digests})
        rows.append(replace(pattern.row, slide_id=slide_id, file=str(file)))
    for start in range(0, count, _IDS_AT_ONCE):
        part = ids[start : start + _IDS_AT_ONCE]
        add_slide_ids(out, [(slide_id, path_key(slides / f"{slide_id}.svs")) for slide_id in part])
    write_rows(out / SLIDES_CSV, rows, CLASSES)


@dataclass
class _Pattern:
    """One true result: what the others share with it, by the names of its files."""

    path: Path
    result: SlideResult
    row: SlideRow
    root: dict[str, Any]
    sums: dict[str, str]
    sizes: dict[str, int]
    folders: list[str]

    @classmethod
    def run(cls, home: Path) -> _Pattern:
        slide, out = home / "pattern.svs", home / "pattern"
        region = SyntheticRegion(Rectangle((50.0, 50.0), (600.0, 600.0)), "adenocarcinoma")
        write_synthetic_slide(slide, regions=(region,), mpp=0.5, size_px=(1600, 1600), levels=(1, 4))
        command = [sys.executable, "-m", "app.cli", "run", str(slide), "--out", str(out), "--model", DEMO_MODEL]
        subprocess.run(command, check=True, capture_output=True)
        path = result_path(out, slide.stem)
        result, row = store.load(path), SlideRow.of_summary(str(slide), load_summary(path))
        root = json.loads((path / "zarr.json").read_bytes())
        own = (path / "zarr.json", path / commit.COMMIT)
        for file in own:
            file.unlink()
        files = {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        sizes = {name: len(content) for name, content in files.items()}
        folders = sorted({str(one) for name in files for one in Path(name).parents} - {"."})
        return cls(path, result, row, root, sums, sizes, folders)

    def copy(self, path: Path) -> None:
        """Files of their own for the results that follow."""
        self.path = Path(shutil.copytree(self.path, path))

    def store(self, result: SlideResult, out: Path) -> Path:
        """As `store.save` would leave it, without syncs."""
        root = {**self.root, "attributes": {**self.root["attributes"], "pulmoscope": store._attributes(result)}}
        described = json.dumps(root).encode()
        path = result_path(out, result.slide_id)
        path.mkdir()
        for folder in self.folders:
            os.mkdir(f"{path}/{folder}")  # noqa: PTH102 (two million of them)
        for name in self.sums:
            os.link(f"{self.path}/{name}", f"{path}/{name}")
        (path / "zarr.json").write_bytes(described)
        told = {
            "format": 1,
            "files": {**self.sums, "zarr.json": hashlib.sha256(described).hexdigest()},
            "sizes": {**self.sizes, "zarr.json": len(described)},
            "result_sha256": store.result_digest(result),
        }
        (path / commit.COMMIT).write_bytes(commit._canonical(told))
        return path


def _facts(result: SlideResult) -> dict[str, str]:
    return {
        "slide_sha256": result.slide.sha256,
        "model_sha256": result.provenance.model.sha256,
        "config_sha256": result.provenance.config_sha256,
    }


if __name__ == "__main__":
    main()
