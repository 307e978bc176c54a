"""Which items of STARD 2015, STARD-AI and CLAIM a dossier answers, and which only a laboratory can.

Numbers are the guidelines', the words are ours and short. STARD: Bossuyt et al. 2015, doi 10.1136/bmj.h5527; of
STARD-AI (Sounderajah et al. 2025, doi 10.1038/s41591-025-03953-8) the 18 items that it adds or changes: the others are
STARD's under other numbers. CLAIM: Tejani et al. 2024, doi 10.1148/ryai.240300.
"""

from __future__ import annotations

from dataclasses import dataclass

STARD, STARD_AI, CLAIM = "STARD 2015", "STARD-AI", "CLAIM 2024"
VERDICT, MATERIAL, FIGURES, SUBGROUPS, CALIBRATION, READERS, PINNED = SECTIONS = (
    *("Criteria", "Slides", "Figures", "By scanner and stain", "Calibration and coverage", "Readers", "What it pins"),
)


@dataclass(frozen=True)
class Item:
    """`where` is the section that answers it, wholly or in part; "" where the laboratory must."""

    guideline: str
    number: str
    topic: str
    where: str = ""


def _items(guideline: str, rows: str) -> tuple[Item, ...]:
    """From lines `number | topic | section`."""
    split = ([cell.strip() for cell in line.split("|")] for line in rows.strip().splitlines())
    return tuple(Item(guideline, number, topic, where) for number, topic, where in split)


ITEMS = (
    *_items(
        STARD,
        f"""
        1 | named as a study of diagnostic accuracy |
        2 | structured summary |
        3 | background and intended use |
        4 | aims and hypotheses | {VERDICT}
        5 | data collected before or after the tests |
        6 | who is eligible |
        7 | how they were found |
        8 | where and when |
        9 | consecutive, random or convenience series |
        10a | index test, so that it can be repeated | {PINNED}
        10b | reference standard, so that it can be repeated |
        11 | why that reference standard |
        12a | positivity of the index test, set beforehand or explored | {VERDICT}
        12b | positivity of the reference standard |
        13a | what those who did the index test knew | {PINNED}
        13b | what those who gave the reference knew |
        14 | how accuracy is estimated and compared | {FIGURES}
        15 | indeterminate results | {FIGURES}
        16 | missing data | {MATERIAL}
        17 | variability of accuracy, set beforehand or explored | {SUBGROUPS}
        18 | intended sample size | {VERDICT}
        19 | flow of participants | {MATERIAL}
        20 | who they are |
        21a | severity of disease |
        21b | other diagnoses in those without it |
        22 | time between the tests |
        23 | results of one test against the other | {FIGURES}
        24 | accuracy and its precision | {FIGURES}
        25 | harm |
        26 | limitations | {VERDICT}
        27 | what it means for practice |
        28 | registration |
        29 | where the protocol is | {PINNED}
        30 | funding |
        """,
    ),
    *_items(
        STARD_AI,
        f"""
        1 | named as a study of diagnostic accuracy that centres on AI |
        3 | intended use, new or established, its place in the work |
        6 | ethics approval |
        7 | who and what data is included and left out, in order |
        11 | where the data came from, and whether for this study |
        12 | who labelled the data, how experienced, and how |
        13 | devices that took the data, software with its version | {PINNED}
        14 | acquisition and preprocessing |
        15b | how the index test was developed, with numbers |
        15d | who is to use it, and how expert |
        23 | analysis of errors, of bias and fairness | {SUBGROUPS}
        25 | characteristics of training, validation and test sets |
        28 | whether the data are like those of intended use |
        29 | how external data differ from the others |
        35 | ethics of its use, and fairness |
        39 | commercial interests |
        40a | what can be had of data and code |
        40b | whether outputs are kept and can be audited | {PINNED}
        """,
    ),
    *_items(
        CLAIM,
        f"""
        12 | missing data | {MATERIAL}
        18 | variability between raters | {READERS}
        23 | software | {PINNED}
        28 | metrics of performance | {FIGURES}
        29 | uncertainty | {FIGURES}
        33 | testing on external data | {FIGURES}
        35 | numbers included and excluded | {MATERIAL}
        37 | performance with its uncertainty | {FIGURES}
        38 | diagnostic performance and its precision | {FIGURES}
        """,
    ),
)


def answered(sections: frozenset[str]) -> tuple[Item, ...]:
    """Items that a dossier with these sections answers, at least in part."""
    return tuple(item for item in ITEMS if item.where in sections)


def left(sections: frozenset[str]) -> tuple[Item, ...]:
    return tuple(item for item in ITEMS if item.where not in sections)
