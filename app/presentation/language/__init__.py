"""In which language a person is told something: English unless asked otherwise. Catalogs lie beside, none is fetched.

Texts stand in the code in English and pass `tell` where they are shown; `de.po` holds the German ones, `de.mo` is made
of it (`gather.py`). Numbers and dates have the language's own form (`forms.py`).
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from app.presentation.language.forms import FORMS, Forms

LANGUAGES: tuple[str, ...] = tuple(FORMS)
FOLDER = Path(__file__).parent
_current: ContextVar[str] = ContextVar("language", default="en")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """All that is told inside is told in `language`, one of LANGUAGES. Raises KeyError for any other."""
    token = _current.set(FORMS[language].code)
    try:
        yield
    finally:
        _current.reset(token)


def spoken() -> str:
    """The code of the language that is spoken now: ``en``."""
    return _current.get()


def forms() -> Forms:
    return FORMS[_current.get()]


def tell(text: str, /, **values: object) -> str:
    """`text` in the language that is spoken, with `values` in its braces. English where the catalog lacks it."""
    told = _catalog(_current.get()).gettext(text) if text else ""
    return told.format(**values) if values else told


def tell_count(one: str, many: str, count: int, /, **values: object) -> str:
    """`one` where `count` is 1, else `many`."""
    return _catalog(_current.get()).ngettext(one, many, count).format(**values)


def said(text: str) -> str:
    """Marks a text that is told later, by `tell`; it stays as it is."""
    return text


@lru_cache(maxsize=len(FORMS))
def _catalog(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    with (FOLDER / f"{language}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)
