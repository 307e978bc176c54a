"""A row a scanner: its own cases, and no interval that they cannot carry."""

import numpy as np
import pytest

from classifier.evaluation.subgroups import UNTOLD, BinaryCases, subgroup_table


def cases():
    """60 patients: scanner A finds all and never errs, B misses a third; nobody told the scanner of eight."""
    positive = np.arange(60) % 2 == 0
    scanner = np.array(["A"] * 30 + ["B"] * 22 + [""] * 8)
    called = positive & ~((scanner == "B") & (np.arange(60) % 6 == 0))
    return scanner, BinaryCases(np.where(called, 0.9, 0.1), called, positive, np.arange(60).astype(str))


def test_each_row_counts_its_own_cases():
    scanner, all_cases = cases()
    rows = {row.name: row for row in subgroup_table("scanner", scanner, all_cases)}
    assert {name: (row.cases, row.positives) for name, row in rows.items()} == {
        "A": (30, 15),
        "B": (22, 11),
        UNTOLD: (8, 4),
    }
    assert rows["A"].sensitivity.value == 1 and rows["A"].sensitivity.is_bound
    assert rows["B"].sensitivity.value == pytest.approx(7 / 11)
    assert rows["B"].auc.value == pytest.approx((7 + 4 / 2) / 11)


def test_under_ten_patients_no_interval_is_told():
    scanner, all_cases = cases()
    [row] = [row for row in subgroup_table("scanner", scanner, all_cases) if row.name == UNTOLD]
    assert all(np.isnan(figure.low) for figure in (row.sensitivity, row.specificity, row.auc))
    assert row.patients == 8 and "only" in row.specificity.doubt


def test_a_group_of_one_kind_has_no_area():
    positive = np.ones(12, bool)
    one = BinaryCases(np.ones(12), positive, positive, np.arange(12).astype(str))
    [row] = subgroup_table("stain", ["H&E"] * 12, one)
    assert np.isnan(row.auc.value) and np.isnan(row.specificity.value) and row.sensitivity.value == 1


def test_a_group_of_which_nothing_was_judged_has_its_row():
    scanner, all_cases = cases()
    rows = subgroup_table("scanner", scanner, all_cases, listed=[*scanner, "C", "C", "A"])
    assert {row.name: (row.listed, row.cases) for row in rows} == {
        "A": (31, 30),
        "B": (22, 22),
        "C": (2, 0),
        UNTOLD: (8, 8),
    }
    refused = next(row for row in rows if row.name == "C")
    assert np.isnan(refused.sensitivity.value) and np.isnan(refused.auc.value) and refused.patients == 0
