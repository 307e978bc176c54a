"""Catalogs: every text that a report tells is there, whole, with its figures; and the forms of numbers and dates."""

import gettext
import io
import re
from datetime import UTC, datetime

import pytest

from app.presentation import figures, language, words
from app.presentation.language import FOLDER, LANGUAGES, speaking, tell, tell_count
from app.presentation.language.catalog import Entry, compile_mo, format_po, parse_po
from app.presentation.language.gather import gathered

OTHERS = [name for name in LANGUAGES if name != "en"]
FIGURE = re.compile(r"\{\w+\}")


def catalog(name):
    return parse_po((FOLDER / f"{name}.po").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", OTHERS)
def test_no_text_is_missing_and_none_is_left_over(name):
    """After a change of texts: `python -m app.presentation.language.gather`, then translate what is new."""
    found, known = gathered(), catalog(name)
    assert [text for text in found if text not in known or not known[text].is_whole] == []
    assert [text for text in known if text not in found] == []


def test_texts_of_all_kinds_are_gathered():
    found = gathered()
    assert {reason.what_to_do for reason in words.REASONS.values()} <= found.keys()
    assert {
        words.RESEARCH_USE,
        "Not recognised",
        "Own reading of the slide",
        "unsigned: no person has decided on this result",
    } <= found.keys()
    assert found["{tiles} tile"].plural == "{tiles} tiles"


@pytest.mark.parametrize("name", OTHERS)
def test_translations_hold_the_same_figures_as_the_text(name):
    for entry in catalog(name).values():
        wanted = sorted(FIGURE.findall(entry.text))
        for translation in entry.translations:
            assert sorted(FIGURE.findall(translation)) == wanted, entry.text


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_read_was_compiled_from_what_is_written(name):
    assert (FOLDER / f"{name}.mo").read_bytes() == compile_mo(catalog(name))


def test_a_compiled_catalog_is_gettexts_own_form():
    entries = {
        "a": Entry("a", "", ('Ä "b"\n',)),
        "{n} x": Entry("{n} x", "{n} xs", ("{n} Y", "{n} Ys")),
        "waits": Entry("waits", "", ("",)),
    }
    assert parse_po(format_po(entries.values(), "de")) == entries
    read = gettext.GNUTranslations(io.BytesIO(compile_mo(entries)))
    assert read.gettext("a") == 'Ä "b"\n' and read.gettext("waits") == "waits"
    assert [read.ngettext("{n} x", "{n} xs", n) for n in (0, 1, 2)] == ["{n} Ys", "{n} Y", "{n} Ys"]


def test_a_language_is_spoken_inside_only():
    with speaking("de"):
        assert tell("Date") == "Datum" and tell_count("{tiles} tile", "{tiles} tiles", 1, tiles=1) == "1 Kachel"
        assert words.class_title("squamous_cell_carcinoma") == "Plattenepithelkarzinom"
        assert words.class_title("my_own_class") == "My own class"
    assert tell("Date") == "Date"
    with pytest.raises(KeyError), speaking("xx"):
        pass


def test_numbers_and_dates_have_the_form_of_the_language():
    at = "2026-03-09T08:03:00+00:00"
    english = (figures.percent(0.9123), figures.area(1234.5), figures.moment(at), figures.percent(1.0))
    assert english == ("91.2%", "1,234 mm²", "9 March 2026, 08:03 UTC", ">99.9%")
    with speaking("de"):
        told = (figures.percent(0.9123), figures.area(1234.5), figures.moment(at), figures.percent(1.0))
    assert told == ("91,2\u00a0%", "1.234 mm²", "9. März 2026, 08:03 UTC", ">99,9\u00a0%")
    assert language.forms().date(datetime(2026, 5, 1, tzinfo=UTC)) == "1 May 2026"
