"""A cluster of machines that are network namespaces of this one: scheduler, client and three workers each with an
address, a host name and a scratch disk of their own. One worker machine is killed, another's network is cut for 30
seconds, a third's clock is 90 minutes ahead where a C compiler is at hand; every slide must come to its end once, with
the digest that a local run gives it.

`python -m benchmarks.cluster [--jobs 10000] [--cut SECONDS] [--local N] [--dir DIR] [--quick]`, as root on Linux; says
so and ends where that is not given. The jobs are one drawn slide of a few tiles, each copy with some bytes of its own
at its end: the same pixels, another digest. `--quick`: 200 jobs, 10 seconds. `--local`: how many of them are run
locally as well, all unless told otherwise; the digests of the others are those of the first under their names, a rule
that is held against all that are run.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aggregate import store
from aggregate.result import SlideResult
from aggregate.result_folder import committed_digest, result_path, stored_results
from app.ledger.audit import AUDIT
from app.ledger.prepare import RUN_LOG
from app.ledger.table import read_table
from classifier.model_folder.find import DEMO_MODEL
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

HERE = Path(__file__).resolve().parent.parent
BRIDGE, NETWORK, PORT = "psbr", "10.213.77", 8786
HEAD, WORKERS = "pshead", ("psone", "pstwo", "psthree")
KILLED, CUT, WRONG_CLOCK = WORKERS[2], WORKERS[1], WORKERS[0]
KILL_AT, CUT_AT = 0.2, 0.4  # of the jobs


@dataclass(frozen=True)
class Plan:
    """What is asked: how many jobs, how many of them are run locally, too, and how long the cut lasts."""

    jobs: int
    local: int
    cut_s: float


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--jobs", type=int, default=10_000)
    words.add_argument("--cut", type=float, default=30.0)
    words.add_argument("--local", type=int, help="how many are run locally as well; default: all")
    words.add_argument(
        "--dir", type=Path, help="where slides and results lie: 0.4 MB a job; default: a temporary folder"
    )
    words.add_argument("--quick", action="store_true")
    asked = words.parse_args()
    if sys.platform != "linux" or os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("unshare")):
        print("skipped: network namespaces need root on Linux, and `ip` and `unshare`")
        return
    jobs, cut_s = (200, 10.0) if asked.quick else (asked.jobs, asked.cut)
    plan = Plan(jobs, min(asked.local or jobs, jobs), cut_s)
    with tempfile.TemporaryDirectory(dir=asked.dir) as folder:
        home = Path(folder)
        _draw(home / "slides", plan.jobs)
        with _machines():
            began = time.monotonic()
            _clustered(home, plan)
            print(f"{plan.jobs} jobs in {time.monotonic() - began:.0f} s on the cluster", flush=True)
        verified = [sys.executable, "-m", "app.cli", "verify", str(home / "cluster"), "--quick"]
        print(subprocess.run(verified, check=True, capture_output=True, text=True, cwd=HERE).stdout, end="")
        _run_locally(home, plan)
        _compare(home, plan)


def _draw(folder: Path, count: int) -> None:
    folder.mkdir()
    first = folder.parent / "first.svs"
    region = SyntheticRegion(Rectangle((20.0, 20.0), (420.0, 420.0)), "adenocarcinoma")
    write_synthetic_slide(first, regions=(region,), mpp=0.5, size_px=(960, 960), levels=(1, 4))
    drawn = first.read_bytes()
    for number in range(count):
        (folder / f"job-{number:05}.svs").write_bytes(drawn + f"copy {number}".encode())


@contextlib.contextmanager
def _machines() -> Iterator[None]:
    """A bridge and a namespace a machine, all gone at the end, with whatever still runs in them."""
    _take_down()
    try:
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("link", "set", BRIDGE, "up")
        for number, name in enumerate((HEAD, *WORKERS), start=1):
            _ip("netns", "add", name)
            _ip("link", "add", f"{name}-b", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", f"{name}-b", "master", BRIDGE, "up")
            _ip("-n", name, "addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", name, "link", "set", device, "up")
        yield
    finally:
        _take_down()


def _take_down() -> None:
    for name in (HEAD, *WORKERS):
        with contextlib.suppress(subprocess.CalledProcessError):
            _kill_machine(name)
            _ip("netns", "del", name)
    # A namespace stays until its last process is gone; its end of the wire must not wait for that.
    for device in (BRIDGE, *(f"{name}-b" for name in (HEAD, *WORKERS))):
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "del", device)


def _kill_machine(name: str) -> None:
    """Every process in a namespace at once, as a machine that loses its power."""
    for pid in _ip("netns", "pids", name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def _on(machine: str, *, always: bool) -> tuple[str, ...]:
    """The command line before what runs on a machine: its network, its name, its own scratch disk on /mnt. `always`:
    started again whenever it ends, as a service is."""
    run = 'while :; do "$@"; sleep 1; done' if always else 'exec "$@"'
    setup = f'mount -t tmpfs scratch /mnt && hostname "$0" && {run}'
    return ("ip", "netns", "exec", machine, "unshare", "--mount", "--uts", "sh", "-c", setup, machine)


def _start(machine: str, log: Path, words: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
    python = [sys.executable, "-m", *words]
    known = {
        **os.environ,
        "PULMOSCOPE_DEBUG": os.environ.get("PULMOSCOPE_DEBUG", ""),
        "PYTHONPATH": str(HERE),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2",
    }
    with log.open("wb") as file:
        return subprocess.Popen(
            [*_on(machine, always=machine in WORKERS), *python],
            stdout=file,
            stderr=file,
            env={**known, **environment},
            cwd=HERE,
        )


def _clustered(home: Path, plan: Plan) -> None:
    """The run on the cluster, and what befalls its machines meanwhile."""
    address = f"tcp://{NETWORK}.1:{PORT}"
    head = ("distributed.cli.dask_scheduler", "--host", f"{NETWORK}.1", "--port", str(PORT), "--no-dashboard")
    _start(HEAD, home / "scheduler.log", head)
    clock = _wrong_clock(home)
    for name in WORKERS:
        words = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard")
        _start(
            name, home / f"{name}.log", (*words, "--local-directory", "/mnt"), **(clock if name == WRONG_CLOCK else {})
        )
    print(f"clocks: {WRONG_CLOCK} is 90 minutes ahead" if clock else "clocks: all the same, no C compiler is at hand")
    words = _run_words(home, "slides", "cluster", "--engine", "dask", "--scheduler", address)
    run = _start(HEAD, home / "run.log", words)
    _until(home, run, KILL_AT * plan.jobs)
    print(f"{_ended(home)} slides are done: {KILLED} is killed", flush=True)
    _kill_machine(KILLED)
    _until(home, run, CUT_AT * plan.jobs)
    before = _ended(home)
    _ip("link", "set", f"{CUT}-b", "down")
    time.sleep(plan.cut_s)
    print(f"{before} slides were done: {CUT}'s network was cut for {plan.cut_s:g} s; now {_ended(home)}", flush=True)
    _ip("link", "set", f"{CUT}-b", "up")
    if run.wait() != 0:
        failed = [row for row in read_table(home / "cluster").rows.values() if row.error_code]
        told = "; ".join(f"{row.slide_id} {row.error_code} {row.message}" for row in failed)
        raise SystemExit(f"the run ended with {run.returncode}: {told or (home / 'run.log').read_text()[-2000:]}")


_SHIFT = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#define AHEAD_S 5400
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += AHEAD_S;
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    if (!failed) *now = (struct timeval){exact.tv_sec, exact.tv_nsec / 1000};
    return failed;
}
time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
"""


def _wrong_clock(home: Path) -> dict[str, str]:
    """The environment of a machine whose wall clock is ahead; none without a compiler. libfaketime is of no use here:
    under 0.9.10 a sleep of Python's ends with EINVAL where only the wall clock is shifted."""
    compiler = shutil.which("cc")
    if not compiler:
        return {}
    source, library = home / "shift.c", home / "shift.so"
    source.write_text(_SHIFT)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}


def _until(home: Path, run: subprocess.Popen[bytes], slides: float) -> None:
    while _ended(home) < slides:
        if run.poll() is not None:
            raise SystemExit(f"the run ended too early: {(home / 'run.log').read_text()[-2000:]}")
        time.sleep(0.2)


def _ended(home: Path) -> int:
    log = home / "cluster" / RUN_LOG
    return log.read_bytes().count(b'"event": "slide"') if log.exists() else 0


def _run_words(home: Path, slides: str, out: str, *more: str) -> tuple[str, ...]:
    return ("app.cli", "run", str(home / slides), "--out", str(home / out), "--model", DEMO_MODEL, *more)


def _run_locally(home: Path, plan: Plan) -> None:
    some = home / "some"
    some.mkdir()
    for path in sorted((home / "slides").iterdir())[: plan.local]:
        (some / path.name).hardlink_to(path)
    words = _run_words(home, "some", "local")
    subprocess.run([sys.executable, "-m", *words], check=True, capture_output=True, cwd=HERE)


def _compare(home: Path, plan: Plan) -> None:
    """Every slide has one row and the digest that a local run gives it; how often each was computed is told."""
    rows = {out: read_table(home / out) for out in ("cluster", "local")}
    for out, count in (("cluster", plan.jobs), ("local", plan.local)):
        assert len(rows[out].rows) == count and not rows[out].flaws, f"{out}: rows are missing"
    first = store.load(stored_results(home / "local")[0])
    expected = {slide_id: _under_its_name(first, home, slide_id) for slide_id in rows["cluster"].rows}
    for out, table in rows.items():
        unlike = [one for one in table.rows if committed_digest(result_path(home / out, one)) != expected[one]]
        assert not unlike, f"{out}: {len(unlike)} digests differ: {unlike[:5]}"
    lines = [json.loads(line) for line in (home / "cluster" / AUDIT).read_text().splitlines()]
    times = Counter(line["slide_id"] for line in lines if line["event"] == "run")
    again = sum(count > 1 for count in times.values())
    print(f"{plan.jobs} slides, each with one row and its digest, {plan.local} of them by a local run; ", end="")
    print(f"{again} were computed more than once")


def _under_its_name(first: SlideResult, home: Path, slide_id: str) -> str:
    """The digest of the same pixels as another file."""
    file = home / "slides" / f"{slide_id}.svs"
    slide = replace(first.slide, file=file.name, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    return store.result_digest(replace(first, slide_id=slide_id, slide=slide))


if __name__ == "__main__":
    main()
