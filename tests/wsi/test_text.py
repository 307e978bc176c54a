"""Names as text: nothing hidden is left, and what was escaped comes back."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsi.text import escape, unescape, visible

FILE_NAMES = st.binary(min_size=1, max_size=40).map(os.fsdecode) | st.text(max_size=40)


@given(FILE_NAMES)
def test_every_name_comes_back_and_is_one_line_of_utf8(name):
    text = escape(name)
    assert unescape(text) == name
    assert text.encode("utf-8").decode("utf-8") == text
    assert len(text.splitlines()) <= 1 and not set(text) & set("\r\n\t\x1b\x7f\x85\u2028\u202e")


@given(FILE_NAMES, FILE_NAMES)
def test_two_names_never_look_alike(one, other):
    assert (escape(one) == escape(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Präparat 7.tif", "Präparat 7.tif"),
        ("片\u200d.svs", "片\u200d.svs"),
        (os.fsdecode(b"caf\xe9.tif"), r"caf\xe9.tif"),
        ("a\rb\nc\td\x1b[2J.tif", r"a\x0db\x0ac\x09d\x1b[2J.tif"),
        (r"a\xe9.tif", r"a\\xe9.tif"),
        ("\ud800\u0085\u2028\u202e", r"\ud800\u0085\u2028\u202e"),
    ],
)
def test_how_a_name_is_told(name, text):
    assert escape(name) == text and unescape(text) == name


def test_a_sentence_keeps_its_backslashes_and_hides_nothing():
    assert visible("a\\b\x1bc\ndé") == r"a\b\x1bc\x0adé"
