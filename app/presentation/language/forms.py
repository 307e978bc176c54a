"""How a language writes numbers, shares and dates (as CLDR has it). No text that a person is told stands here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

_ENGLISH = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_GERMAN = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli"),
    *("August", "September", "Oktober", "November", "Dezember"),
)


@dataclass(frozen=True)
class Forms:
    """`percent`, `day` and `moment` are patterns; `capitals`: names of tumours are written with one in a sentence."""

    code: str
    title: str
    decimal: str
    group: str
    percent: str
    day: str
    moment: str
    months: tuple[str, ...]
    capitals: bool

    def number(self, written: str) -> str:
        """A number as Python writes it, ``1,234.5``, in this language."""
        return written.translate({ord(","): self.group, ord("."): self.decimal})

    def date(self, of: datetime) -> str:
        return self.day.format(day=of.day, month=self.months[of.month - 1], year=of.year)

    def time(self, of: datetime) -> str:
        """Date and minute; `of` is in UTC, and the text says so."""
        return self.moment.format(date=self.date(of), clock=f"{of:%H:%M}")


FORMS = {
    "en": Forms("en", "English", ".", ",", "{}%", "{day} {month} {year}", "{date}, {clock} UTC", _ENGLISH, False),
    "de": Forms("de", "Deutsch", ",", ".", "{}\u00a0%", "{day}. {month} {year}", "{date}, {clock} UTC", _GERMAN, True),
}
