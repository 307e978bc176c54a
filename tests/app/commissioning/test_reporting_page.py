"""docs/reporting-items.md says of each item what the program says of it, and of no other."""

from app.commissioning import reporting_items as dossier
from classifier.evaluation import reporting_items as report
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reporting-items.md").read_text(encoding="utf-8")
LEFT = "-"


def rows_of(guideline):
    """Lines `number | topic | dossier | evaluation report` that the page must have."""
    in_dossier = {one.number: one for one in dossier.ITEMS if one.guideline == guideline}
    in_report = {one.number: one for one in report.ITEMS if one.guideline == guideline}
    for number in in_report or in_dossier:
        one, other = in_dossier.get(number), in_report.get(number)
        where = f'"{one.where}"' if one and one.where else LEFT
        cells = [number, (other or one).topic, where]
        if in_report:
            told = ", ".join(f'"{section}"' for section in other.where)
            cells.append(f"{other.answer}: {told}" if told else LEFT)
        yield f"| {' | '.join(cells)} |"


def table_under(heading):
    part = PAGE.split(f"## {heading}")[1].split("\n## ")[0]
    return [line for line in part.splitlines() if line.startswith("| ")][2:]


def test_the_page_has_the_items_of_stard():
    assert table_under("STARD 2015") == list(rows_of("STARD 2015"))


def test_the_page_has_the_items_of_stard_ai():
    assert table_under("STARD-AI") == list(rows_of("STARD-AI")) and len(table_under("STARD-AI")) == 18


def test_the_page_has_the_items_of_claim():
    assert table_under("CLAIM 2024") == list(rows_of("CLAIM 2024"))


def test_every_item_of_the_dossier_is_one_of_the_guidelines():
    claim = {one.number for one in report.ITEMS if one.guideline == report.CLAIM}
    assert {one.number for one in dossier.ITEMS if one.guideline == dossier.CLAIM} <= claim
