"""Do the tests notice a one-line fault? Mutates the code that must not be wrong, and runs its tests on each mutant.

`python -m benchmarks.mutants [MODULE...] [--sample N] [--seed S]`, by hand: it takes seconds a mutant. All is done in a
temporary copy of the tree, so the checkout is never changed. Prints the share killed a module, and the survivors.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutation import Mutant, mutants_of

ROOT = Path(__file__).resolve().parent.parent
_DECISION = (
    "tests/aggregate/test_thresholds.py",
    "tests/aggregate/test_decision.py",
    "tests/aggregate/test_summary.py",
)
_STORE = tuple(f"tests/aggregate/test_{name}.py" for name in ("commit", "store", "hostile_stores"))
_LEDGER_TESTS = ("locks", "lines", "table", "records", "audit", "durable")
_LEDGER = tuple(f"tests/app/ledger/test_{name}.py" for name in _LEDGER_TESTS)
# The tests that ought to see a fault in a module; those that are not there are left out.
TESTS: dict[str, tuple[str, ...]] = {
    "aggregate/thresholds.py": (*_DECISION, "tests/aggregate/test_pool.py"),
    "aggregate/decision.py": _DECISION,
    "aggregate/doubts.py": ("tests/aggregate/test_doubts.py", *_DECISION),
    "aggregate/pool.py": ("tests/aggregate/test_pool.py",),
    "aggregate/summary.py": _DECISION,
    "aggregate/commit.py": _STORE,
    "aggregate/store.py": _STORE,
    "wsi/metadata.py": ("tests/wsi/test_metadata.py",),
    "app/batch/pseudonyms.py": ("tests/app/batch/test_pseudonyms.py",),
    "app/ledger/locks.py": _LEDGER,
    "app/ledger/lines.py": _LEDGER,
    "app/ledger/table.py": _LEDGER,
    "app/ledger/audit.py": _LEDGER,
    "app/ledger/records.py": _LEDGER,
    "app/ledger/verify.py": ("tests/app/ledger/test_verify.py",),
}
# How much longer than the healthy module's a mutant's tests may take; one that hangs is noticed, too.
_PATIENCE, _LEAST_TIMEOUT_S = 4.0, 30.0


@dataclass(frozen=True)
class Outcome:
    """Of the `tried` mutants of a module, those that no test noticed."""

    module: str
    made: int
    tried: int
    survivors: tuple[Mutant, ...]
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
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copy_tree(Path(folder) / "tree")
        outcomes = [judge(tree, module, asked.sample, asked.seed) for module in asked.modules or TESTS]
    print("\n| module | mutants | tried | killed | s |\n| --- | --- | --- | --- | --- |")
    for outcome in outcomes:
        print(
            f"| `{outcome.module}` | {outcome.made} | {outcome.tried} | {outcome.killed:.0%} | {outcome.seconds:.0f} |"
        )
    tried, survived = sum(o.tried for o in outcomes), sum(len(o.survivors) for o in outcomes)
    print(f"\n{tried - survived} of {tried} killed ({1 - survived / max(1, tried):.1%}); survivors:\n")
    for outcome in outcomes:
        for mutant in outcome.survivors:
            print(f"- `{outcome.module}` {mutant}")


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


def judge(tree: Path, module: str, sample: int | None, seed: int) -> Outcome:
    """Runs the module's tests on its mutants. Raises SystemExit where they fail without any fault."""
    path, tests = tree / module, [test for test in TESTS[module] if (tree / test).exists()]
    healthy = path.read_text(encoding="utf-8")
    started = time.monotonic()
    if notices(tree, tests, timeout_s=None):
        raise SystemExit(f"the tests of {module} fail without a fault")
    timeout_s = max(_LEAST_TIMEOUT_S, _PATIENCE * (time.monotonic() - started))
    mutants = mutants_of(healthy)
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
    return Outcome(module, len(mutants), len(chosen), tuple(survivors), time.monotonic() - started)


def notices(tree: Path, tests: list[str], *, timeout_s: float | None) -> bool:
    """Whether the tests fail on the tree as it stands, or do not end in time."""
    # Stale bytecode of the last mutant would be run for the next: its size and time of change may be the same.
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    # A folder for temporary files of our own: what other runs of pytest leave in the common one is none of our faults.
    options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", f"--basetemp={tree / '.pytest-tmp'}"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    process = subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(timeout_s) != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        # Processes that the tests started go with them.
        end_with_children(process)


def end_with_children(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that leads a session of its own, and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


if __name__ == "__main__":
    main()
