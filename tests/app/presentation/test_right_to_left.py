"""Arabic and Hebrew in the order in which they are seen, joined as they are written."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.presentation.right_to_left import as_seen


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        ("slide 12.svs", "slide 12.svs"),
        ("שלום", "םולש"),
        ("a שלום b", "a םולש b"),
        ("שלום (2) abc", "(2) םולש abc"),
        ("שלום 12-34.svs", "12-34 םולש.svs"),
        ("(שלום).svs", "(םולש).svs"),
    ],
)
def test_words_of_the_other_direction_are_turned_and_numbers_are_not(stored, seen):
    assert as_seen(stored) == seen


@pytest.mark.parametrize(
    ("stored", "names"),
    [
        ("بيت", ["TEH FINAL", "YEH MEDIAL", "BEH INITIAL"]),
        ("دار", ["REH ISOLATED", "ALEF ISOLATED", "DAL ISOLATED"]),
        ("سلام", ["MEEM ISOLATED", "LAM WITH ALEF FINAL", "SEEN INITIAL"]),
        ("پدر", ["REH ISOLATED", "DAL FINAL", "PEH INITIAL"]),
    ],
)
def test_arabic_letters_take_the_form_that_their_neighbours_give_them(stored, names):
    found = " ".join(unicodedata.name(mark) for mark in as_seen(stored))
    for word in ("ARABIC ", "LETTER ", "LIGATURE ", " FORM"):
        found = found.replace(word, "")
    assert found == " ".join(names)


@given(st.text(alphabet="abc 12().-שלוםÄ中", max_size=30))
def test_no_letter_is_lost_or_made(text):
    turned = str.maketrans("()", "((")
    assert sorted(as_seen(text).translate(turned)) == sorted(text.translate(turned))
