"""What the README promises exists: commands, options, reasons, files."""

import json
import math
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from aggregate import thresholds
from aggregate.decision import ScanFacts
from aggregate.doubts import Doubts, Place
from aggregate.slide_model.model import OPINION_REASONS
from aggregate.thresholds import DecisionRules
from app.commands.words.table import COMMANDS, command_of
from app.presentation.words import REASONS
from tests.aggregate.test_decision import CLEAN, CLEAR, NEGATIVE, OTHER, decided

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
POOLING = (ROOT / "docs" / "pooling.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme_and_in_the_page_of_commands():
    for told in (commands_table(), (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")):
        assert [name for name in COMMANDS if f"`{name}" not in told and f"pulmoscope {name}" not in told] == []


def test_the_readmes_table_of_commands_stays_on_one_screen():
    rows = commands_table().splitlines()
    assert len(rows) <= 24 and max(map(len, rows)) <= 140


def commands_table() -> str:
    return "\n".join(
        line for line in README[README.index("## Commands") :].split("\n## ")[0].splitlines() if line[:1] == "|"
    )


# Options of other programs that the documents tell how to call: Slurm, Dask, pip, our own benchmarks.
FOREIGN_OPTIONS = {
    *("--array", "--cpus-per-task", "--job-name", "--mem", "--signal", "--time"),
    *("--memory-limit", "--no-dashboard", "--nthreads", "--nworkers", "--protocol", "--resources", "--tls-ca-file"),
    *(
        "--further",
        "--from-file",
        "--replicas",
        "--giant",
        "--peer",
        "--idle",
        "--large",
        "--now",
        "--quick",
        "--rounds",
        "--sample",
    ),
    *("--final", "--without", "--no-build-isolation", "--no-deps", "--require-hashes"),
}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md", *(ROOT / "docs").glob("*.md")]


def test_every_option_in_the_documents_exists():
    commands = [*map(command_of, COMMANDS), *command_of("review").commands.values()]
    known = {option for command in commands for p in command.params for option in (*p.opts, *p.secondary_opts)}
    for page in PAGES:
        told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+(?![.\w-])", page.read_text(encoding="utf-8")))
        assert told - known - FOREIGN_OPTIONS == set(), page.name


def test_every_file_and_module_in_the_documents_exists():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        paths = re.findall(r"`((?:wsi|tiler|classifier|aggregate|app|tests|benchmarks|docs)/[\w/.-]+)`", text)
        paths += [f"{name.replace('.', '/')}.py" for name in re.findall(r"python -m (benchmarks\.[\w.]+)", text)]
        assert [path for path in paths if not (ROOT / path).exists()] == [], page.name


def test_every_test_in_the_table_of_faults_exists():
    told = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")))
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(told) > 10 and [name for name in told if f"def {name}(" not in tests] == []


def test_nothing_says_that_an_index_has_the_package():
    for page in PAGES:
        assert not re.search(r"pip install '?pulmoscope", page.read_text(encoding="utf-8")), page.name


def test_the_figures_of_the_packaged_model_are_those_of_its_card():
    val = json.loads((ROOT / "classifier" / "models" / "lung-v2" / "card.json").read_text())["metrics"]["val"]
    accuracy, baseline = val["figures"]["accuracy"], val["baseline"]["accuracy"]
    text = " ".join(README.split())
    assert f"accuracy {accuracy['value']:.3f} (95% interval {accuracy['low']:.3f} to {accuracy['high']:.3f}" in text
    assert f"{val['tiles']} tiles of {val['groups']} source images" in text
    assert f"Colour histograms alone reach {baseline['value']:.3f} on the same tiles" in text
    worst = min(shift["difference"]["value"] for shift in val["shifts"])
    assert len(val["shifts"]) == 12 and f"the worst of twelve shifts costs it {-100 * worst:.1f} points" in text


@pytest.mark.parametrize("text", [README, POOLING], ids=["README", "pooling"])
def test_every_reason_is_told(text):
    assert [code for code in REASONS if f"`{code}`" not in text] == []


def test_every_reason_that_a_decision_gives_has_words():
    worst = decided(
        doubts=Doubts(unjudged=Place(9.0, 0.0, 0.0), tumour_like=Place(1.0, 0.0, 0.0)),
        pooled=replace(CLEAR, scatter=1.0, disagreeing_tiles=99.0, second_type_share=0.5),
        shares=replace(
            CLEAN, unfamiliar=0.9, voting=0.0, by_site=1.0, blur=1.0, pen=1.0, dark=1.0, set_aside=1.0, tissue_mm2=0.0
        ),
        scan=ScanFacts(*[True] * len(fields(ScanFacts))),
        low_margin=1.1,
    )
    negative = decided(
        pooled=NEGATIVE,
        shares=replace(CLEAN, voting=0.5, unfamiliar=math.nan),
        doubts=Doubts(tumour_like=Place(1.0, 0.0, 0.0)),
        low_margin=1.1,
    )
    other = decided(classes=("adenocarcinoma", "normal", "other_tumour"), pooled=replace(CLEAR, probabilities=OTHER))
    found = {*worst.review_reasons, *negative.review_reasons, *other.review_reasons, *OPINION_REASONS}
    assert found == set(REASONS)


def thresholds_told() -> dict[str, float]:
    """Name and value of each row of the table of thresholds."""
    table = POOLING[POOLING.index("## The thresholds") :]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if line[:3] == "| `"]
    assert all(len(row) == 3 and row[2] for row in rows)  # each with what is behind it
    return {row[0].strip("`"): float(row[1]) for row in rows}


def test_the_table_of_thresholds_is_the_one_in_force():
    constants = {name: float(value) for name, value in vars(thresholds).items() if name.isupper()}
    assert thresholds_told() == {**constants, **DecisionRules().to_dict()}


def test_the_thresholds_told_are_those_in_force():
    rules = DecisionRules()
    for reason, figure in {
        "unfamiliar-tissue": f"{rules.unfamiliar_share:.0%}",
        "low-margin": f"{rules.low_margin:.2f}",
        "scattered": f"{rules.scattered_share:.0%}",
        "unjudged-area": f"{rules.unjudged_tiles:g} tiles",
        "partial-negative": f"{rules.negative_voting_share:.0%}",
        "tumour-like-tiles": f"{rules.tumour_like:g}",
        "little-tissue": f"{rules.little_tissue_mm2:g} mm2",
        "blur": f"{rules.blur_share:.0%}, {rules.dark_share:.0%}",
    }.items():
        [line] = [line for line in POOLING.splitlines() if line.startswith(f"| `{reason}`")]
        assert figure in line


def test_every_link_between_the_documents_leads_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_face_speaks_of_folds_as_if_they_were_looked_for():
    assert "olds" not in REASONS["artefact"].title
    for room in ("presentation", "reports", "viewer"):
        for path in (ROOT / "app" / room).rglob("*.py"):
            spoken = re.findall(r"\b[Ff]olds?\b[^\"\n]*", path.read_text(encoding="utf-8"))
            assert all("not looked for" in line for line in spoken), f"{path.name}: {spoken}"
