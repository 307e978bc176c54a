"""The guidelines' items: all there, none twice, and no answer from a section that a report does not have."""

import re

from classifier.evaluation.reporting_items import CLAIM, ITEMS, TRIPOD, Answer, Section, items_of_report


def numbers(guideline):
    return [item.number for item in ITEMS if item.guideline == guideline]


def test_claim_has_its_44_items_in_order():
    assert numbers(CLAIM) == [str(i) for i in range(1, 45)]


def test_tripod_ai_has_its_27_items_with_their_parts():
    found = numbers(TRIPOD)
    assert len(found) == len(set(found)) == 52
    assert sorted({int(re.match(r"\d+", number)[0]) for number in found}) == list(range(1, 28))
    parts = {"3": "abc", "5": "ab", "6": "abc", "8": "abc", "9": "abc", "12": "abcdefg", "18": "abcdef", "20": "abc"}
    for number, letters in {**parts, "23": "ab", "27": "abc"}.items():
        assert [one for one in found if re.fullmatch(rf"{number}[a-z]?", one)] == [number + one for one in letters]


def test_an_item_is_answered_somewhere_or_left():
    assert all(bool(item.where) == (item.answer is not Answer.AUTHORS) for item in ITEMS)
    assert items_of_report(tuple(Section)) == ITEMS


def test_a_missing_section_answers_nothing():
    without = items_of_report([one for one in Section if one not in (Section.SHIFTS, Section.READERS)])
    found = {(item.guideline, item.number): item for item in without}
    assert found[CLAIM, "30"].answer is found[CLAIM, "18"].answer is Answer.AUTHORS
    assert found[TRIPOD, "27a"].answer is Answer.PARTLY and found[TRIPOD, "27a"].where == (Section.FOREIGN,)
    assert found[CLAIM, "28"].answer is Answer.YES
