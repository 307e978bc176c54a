"""What a lung model says of lung from elsewhere: `python -m benchmarks.elsewhere [--model M] [--site SITE]`.

Runs the fields that the list `lung-elsewhere/fields.csv` keeps for testing as slides, through the whole program, and
prints a line for each: its truth, the call, the score of the two lung tumours, what its tiles were told as and the
reasons. Then the tiles of an atlas by kind, where the list says that no model learned from them. PULMOSCOPE_DATA names
the folder. Nothing may be tuned on these fields.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from aggregate.heatmap import likeliest
from aggregate.result import SlideResult
from aggregate.result_folder import stored_results
from aggregate.store import load

LEAST_UM2 = 150.0**2


def main() -> int:
    """Prints the table; 1 where there is no data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lung-v2")
    parser.add_argument("--site")
    parser.add_argument("--all", action="store_true", help="fields that may be trained on, too")
    asked = parser.parse_args()
    data = os.environ.get("PULMOSCOPE_DATA")
    if not data:
        print("PULMOSCOPE_DATA names no folder", file=sys.stderr)
        return 1
    folder = Path(data) / "lung-elsewhere"
    with tempfile.TemporaryDirectory() as scratch:
        fields = [row for row in read_fields(folder) if asked.all or row["split"] == "test"]
        results = run_fields(folder, fields, Path(scratch), asked.model, asked.site)
    print("| field | diagnosis, what it shows | call (confidence) | score of each class | tiles told as | reasons |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in fields:
        print(line_of(row, results.get(Path(row["file"]).name)))
    return 0


def read_fields(folder: Path) -> list[dict[str, str]]:
    """The rows of the list whose fields are large enough to be slides."""
    with (folder / "fields.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if int(row["width"]) * int(row["height"]) * float(row["mpp"]) ** 2 >= LEAST_UM2]


def run_fields(
    folder: Path, fields: list[dict[str, str]], scratch: Path, model: str, site: str | None
) -> dict[str, SlideResult]:
    """Result by file name, of `pulmoscope run` with each field's own pixel size."""
    manifest = scratch / "manifest.csv"
    lines = ["slide,mpp", *(f"{folder / row['file']},{row['mpp']}" for row in fields)]
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "app.cli", "run", "--manifest", str(manifest), "--out", str(scratch / "out")]
    command += ["--model", model, *(("--site", site) if site else ())]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    results = (load(path) for path in stored_results(scratch / "out"))
    return {result.slide.file: result for result in results}


def line_of(row: dict[str, str], result: SlideResult | None) -> str:
    """A field's line of the table."""
    truth = f"{row['diagnosis']}: {row['kind']}"
    if result is None:
        return f"| {row['case']} | {truth} | no result | | | |"
    decision, tiles = result.decision, result.tiles
    scores = ", ".join(f"{name} {p:.2f}" for name, p in zip(result.classes, decision.probabilities, strict=True))
    told = Counter(result.outputs[index] for index in likeliest(tiles.probabilities, result.tumour_outputs))
    votes = int(tiles.votes.sum())
    return (
        f"| {row['case']} | {truth} | {decision.call} ({decision.confidence:.2f}) | {scores} | "
        f"{votes} of {len(tiles.xy)} vote: {', '.join(f'{name} {count}' for name, count in told.most_common())} | "
        f"{', '.join(decision.review_reasons)} |"
    )


if __name__ == "__main__":
    sys.exit(main())
