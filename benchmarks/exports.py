"""Whether memory stays flat while many slides are exported, and how long a slide takes.

python -m benchmarks.exports [--slides 1000] [--formats json,csv,...] [--tiles 2000]: stores one drawn result under many
ids (no tissue, and they say so), runs `pulmoscope report --zip` over them, and prints the peak and the resident memory
of its process and its helpers after each tenth of the slides, seconds a slide, and the archive's size.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from aggregate import store
from aggregate.result import SlideResult
from app.ledger.records import SlideRow, write_rows
from tests.results import make_result

FORMATS = "html,json,csv,geojson,fhir,parquet"


def drawn_result(tiles: int) -> SlideResult:
    """A drawn result of about so many tiles, a fifth of them without tissue."""
    side = max(2, round((tiles / 0.8) ** 0.5))
    chance = np.random.default_rng(1)
    letters = chance.choice(list("012u."), (side, side), p=(0.3, 0.3, 0.1, 0.1, 0.2))
    return make_result("drawn", cells="\n".join("".join(row) for row in letters), synthetic=True)


def store_many(folder: Path, slides: int, tiles: int) -> None:
    """The same result under many ids, by the store's own function."""
    drawn = drawn_result(tiles)
    results = [replace(drawn, slide_id=f"drawn-{number:05d}") for number in range(slides)]
    for result in results:
        store.save(result, folder)
    write_rows(folder / "slides.csv", [SlideRow.of_result(result) for result in results], drawn.classes)


def measured(command: list[str], tenths: int = 10) -> dict[str, object]:
    """Runs a command that tells `N of M slides` on standard error, and looks at its memory each tenth of the way."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    resident: dict[int, float] = {}
    peak, last = 0.0, ""
    for line in process.stderr:
        last = line
        memory = _memory_mb(process.pid)
        peak = max(peak, memory.get("VmHWM", 0.0))
        done, _, rest = line.replace(",", "").partition(" of ")
        if done.isdigit() and "slides" in rest:
            tenth = int(done) * tenths // int(rest.split()[0])
            resident.setdefault(tenth, memory.get("VmRSS", 0.0))
    if code := process.wait():
        raise SystemExit(f"it ended with {code}: {last}")
    return {"seconds": round(time.perf_counter() - began, 1), "peak_mb": peak, "resident_mb": resident}


def _memory_mb(pid: int) -> dict[str, float]:
    """Peak and resident memory, of the process and of those it started together (peaks need not have met)."""
    total: dict[str, float] = {}
    try:
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (str(pid), *started):
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
            for words in (line.split() for line in lines if line.startswith(("VmHWM", "VmRSS"))):
                name = words[0].rstrip(":")
                total[name] = round(total.get(name, 0.0) + int(words[1]) / 1024, 1)
    except OSError:
        pass
    return total


# Tells each slide at once, where the command tells one in ten seconds.
_COMMAND = """
import sys
from pathlib import Path
from app.commands.report import write_reports
from app.commands.terminal.counter import slides_shown
_, problems = write_reports(Path(sys.argv[1]), None, sys.argv[3].split(","), zip_file=Path(sys.argv[2]),
                            progress=slides_shown(every_s=0))
sys.exit(len(problems))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=1000)
    parser.add_argument("--tiles", type=int, default=2000)
    parser.add_argument("--formats", default=FORMATS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, archive = Path(name, "results"), Path(name, "all.zip")
        folder.mkdir()
        store_many(folder, asked.slides, asked.tiles)
        told = measured([sys.executable, "-c", _COMMAND, str(folder), str(archive), asked.formats])
        with zipfile.ZipFile(archive) as opened:
            told |= {"files": len(opened.namelist()), "archive_mb": round(archive.stat().st_size / 2**20, 1)}
    print(json.dumps({"slides": asked.slides, "formats": asked.formats, **told}, indent=2))


if __name__ == "__main__":
    main()
