"""Do the tests notice a one-line fault? Mutates the code that must not be wrong, and runs its tests on each mutant.

`python -m benchmarks.mutants [MODULE...] [--sample N] [--seed S]`, by hand: it takes a second or more a mutant. All is
done in a temporary copy of the tree, so the checkout is never changed. Prints the share killed a module, and the
survivors; those that `accepted_mutants` lists with a reason are not run, and told apart.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accepted_mutants import ACCEPTED
from benchmarks.mutation import Mutant, mutants_of

ROOT = Path(__file__).resolve().parent.parent
_DECISION = (
    "tests/aggregate/test_thresholds.py",
    "tests/aggregate/test_decision.py",
    "tests/aggregate/test_summary.py",
)
_COMMIT, _STORE, _HOSTILE = (f"tests/aggregate/test_{name}.py" for name in ("commit", "store", "hostile_stores"))
# Of the tests of locks those that start no whole run.
_LOCKED = tuple(
    f"tests/app/ledger/test_locks.py::test_{name}"
    for name in (
        "what_runs_share_is_written_under_its_lock",
        "processes_that_race_for_the_table_lose_no_row",
        "a_lock_that_another_process_holds_ends_in_one_line",
        "a_slide_that_another_holds_is_not_ours",
        "whether_a_process_is_at_a_slide_is_seen_without_making_a_lock",
        "of_an_output_without_locks_no_slide_is_held",
        "a_disk_that_fails_is_not_taken_for_one_without_locks",
        "a_file_system_without_locks_is_borne_and_told",
    )
)
_SIGNED = ("tests/app/review/test_proof.py", "tests/app/review/test_odd_rows.py")
# The tests that ought to see a fault in a module, those that look at it alone first: they end the soonest.
TESTS: dict[str, tuple[str, ...]] = {
    "aggregate/thresholds.py": (*_DECISION, "tests/aggregate/test_pool.py"),
    "aggregate/decision.py": _DECISION,
    "aggregate/doubts.py": ("tests/aggregate/test_doubts.py", *_DECISION),
    "aggregate/pool.py": ("tests/aggregate/test_pool.py",),
    "aggregate/summary.py": _DECISION,
    "aggregate/layout/commit.py": (_COMMIT, _STORE, _HOSTILE),
    "aggregate/layout/zarr_files.py": ("tests/aggregate/test_zarr_files.py",),
    "aggregate/store.py": (_STORE, "tests/aggregate/test_tissues.py", _HOSTILE, _COMMIT),
    "aggregate/result_folder.py": (_STORE, _HOSTILE, _COMMIT),
    "wsi/metadata.py": ("tests/wsi/test_metadata.py",),
    "wsi/files/writing.py": ("tests/wsi/files/test_writing.py",),
    "app/batch/pseudonyms.py": ("tests/app/batch/test_pseudonyms.py",),
    "app/ledger/locks.py": ("tests/app/ledger/test_lock_files.py", *_LOCKED),
    "app/ledger/lines.py": ("tests/app/ledger/test_lines.py", *_LOCKED),
    "app/ledger/table.py": ("tests/app/ledger/test_table.py", *_LOCKED),
    "app/ledger/audit.py": ("tests/app/ledger/test_audit.py", "tests/app/ledger/test_forgery.py", *_LOCKED),
    "app/ledger/repair.py": ("tests/app/ledger/test_repair.py",),
    "app/batch/kept.py": ("tests/app/batch/test_what_stands.py",),
    "tiler/quality.py": ("tests/tiler/test_quality.py",),
    "app/ledger/records.py": ("tests/app/ledger/test_records.py",),
    "app/review/seals.py": ("tests/app/review/test_seals.py", *_SIGNED),
    "app/review/proof.py": _SIGNED,
    "app/ledger/verify.py": ("tests/app/ledger/test_verifying.py", "tests/app/ledger/test_forgery.py"),
}
# Imported once, before the mutants: what the tests need of others, and none of the modules that are changed.
_WARM = (
    "numpy",
    "zarr",
    "cv2",
    "PIL.Image",
    "scipy.stats",
    "openslide",
    "hypothesis",
    "pytest",
    "click.testing",
    "alembic",
    "sqlalchemy",
)
# How much longer than the healthy module's a mutant's tests may take; one that hangs is noticed, too.
_PATIENCE, _LEAST_TIMEOUT_S = 4.0, 30.0


@dataclass(frozen=True)
class Outcome:
    """Of the `tried` mutants of a module, those that no test noticed. The `accepted`, (mutant, why), were not tried."""

    module: str
    made: int
    tried: int
    survivors: tuple[Mutant, ...]
    accepted: tuple[tuple[Mutant, str], ...]
    seconds: float

    @property
    def killed(self) -> float:
        return 1.0 - len(self.survivors) / self.tried if self.tried else 1.0


def main() -> None:
    """Measures the modules that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", choices=[*TESTS, []], metavar="MODULE", help=", ".join(TESTS))
    parser.add_argument("--sample", type=int, help="at most so many mutants a module, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for name in _WARM:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copy_tree(Path(folder) / "tree")
        outcomes = [judge(tree, module, asked.sample, asked.seed) for module in asked.modules or TESTS]
    print("\n".join(report_lines(outcomes)))


def report_lines(outcomes: list[Outcome]) -> Iterator[str]:
    """A Markdown table a module, the sum, and every survivor; the accepted ones with their reasons."""
    yield "\n| module | mutants | equivalent | tried | killed | share | s |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for one in outcomes:
        killed = f"{one.tried - len(one.survivors)} | {one.killed:.0%}"
        yield f"| `{one.module}` | {one.made} | {len(one.accepted)} | {one.tried} | {killed} | {one.seconds:.0f} |"
    tried, survived = sum(one.tried for one in outcomes), sum(len(one.survivors) for one in outcomes)
    yield f"\n{tried - survived} of {tried} killed ({1 - survived / max(1, tried):.1%}); survivors:\n"
    yield from (f"- `{one.module}` {mutant}" for one in outcomes for mutant in one.survivors)
    yield "\nnot tried, since they change nothing that a test could see:\n"
    yield from (f"- `{one.module}` {mutant}: {why}" for one in outcomes for mutant, why in one.accepted)


def copy_tree(target: Path) -> Path:
    """The working tree, as git lists it, in a folder of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def why_accepted(module: str, healthy: str, mutant: Mutant) -> str:
    """Why nobody need kill this mutant; "" where no reason is listed."""
    line = healthy.splitlines()[mutant.line - 1].strip()
    found = (why for text, after, why in ACCEPTED.get(module, ()) if text == line and after in ("*", mutant.after))
    return next(found, "")


def judge(tree: Path, module: str, sample: int | None, seed: int) -> Outcome:
    """Runs the module's tests on its mutants. Raises SystemExit where they fail without any fault."""
    path, tests = tree / module, TESTS[module]
    healthy = path.read_text(encoding="utf-8")
    started = time.monotonic()
    if notices(tree, tests, timeout_s=None):
        raise SystemExit(f"the tests of {module} fail without a fault")
    timeout_s = max(_LEAST_TIMEOUT_S, _PATIENCE * (time.monotonic() - started))
    made = [(mutant, why_accepted(module, healthy, mutant)) for mutant in mutants_of(healthy)]
    mutants = [mutant for mutant, why in made if not why]
    chosen = mutants if sample is None or sample >= len(mutants) else random.Random(seed).sample(mutants, sample)
    survivors = []
    try:
        for number, mutant in enumerate(chosen, start=1):
            path.write_text(mutant.source, encoding="utf-8")
            if not notices(tree, tests, timeout_s=timeout_s):
                survivors.append(mutant)
                print(f"[{number}/{len(chosen)}] {module} survives {mutant}", flush=True)
    finally:
        path.write_text(healthy, encoding="utf-8")
    survivors.sort(key=lambda mutant: mutant.line)
    accepted = tuple((mutant, why) for mutant, why in made if why)
    return Outcome(module, len(made), len(chosen), tuple(survivors), accepted, time.monotonic() - started)


def notices(tree: Path, tests: tuple[str, ...], *, timeout_s: float | None) -> bool:
    """Whether the tests fail on the tree as it stands, or do not end in time.

    They run in a fork of this process, which has imported what is slow to import and no module of the tree.
    """
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _run_tests(tree, tests)
    try:
        return _exit_status(child, timeout_s) != 0
    finally:
        # Processes that the tests started go with them.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, 9)


def _run_tests(tree: Path, tests: tuple[str, ...]) -> None:
    """In the fork; does not return."""
    status = 1
    try:
        os.setsid()
        os.chdir(tree)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        sys.path[:] = [str(tree), *(entry for entry in sys.path if entry and Path(entry).resolve() != ROOT)]
        for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
            del sys.modules[name]
        # Stale bytecode of the last mutant would be run for the next: its size and time of change may be the same.
        sys.dont_write_bytecode = True
        os.environ.update(PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1")
        import pytest

        # A folder for temporary files of our own: what other runs of pytest leave in the common one is none of ours.
        options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", f"--basetemp={tree / '.pytest-tmp'}"]
        status = int(pytest.main([*options, *tests]))
    finally:
        os._exit(status)


def _exit_status(child: int, timeout_s: float | None) -> int:
    """What the child ended with; 124 where it did not in time, and was ended."""
    until_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if until_s is not None and time.monotonic() > until_s:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, 9)
            os.waitpid(child, 0)
            return 124
        time.sleep(0.02)


if __name__ == "__main__":
    main()
