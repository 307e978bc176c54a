"""A DICOM dataset without what may identify a person: the listed attributes, mapped identifiers, fillers of ours.

Takes datasets and gives datasets; knows no file.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from wsi.deidentify import icc
from wsi.deidentify.dicom import dates, profile
from wsi.deidentify.plan import Naming, NotUnderstoodError, Removed
from wsi.deidentify.source import words_in

_PSEUDONYM = re.compile(r"p[st]-[0-9a-f]{1,64}")
_MAX_DEPTH = 12


@dataclass
class Cleaner:
    """Cleans the instances of one slide; `removed` grows."""

    naming: Naming
    removed: list[Removed] = field(default_factory=list)
    shifted: bool = False
    """Whether dates of any instance were moved."""

    def cleaned(self, dataset: Any) -> Dataset:
        """The dataset of an instance, without its pixels. Raises NotUnderstoodError."""
        self._days_are_moved = dates.are_moved(dataset)
        made = self._inner(dataset, 0)
        specimen = made.get("SpecimenDescriptionSequence")
        for keyword in profile.EMPTY:
            setattr(made, keyword, "")
        for keyword, value in profile.FILLED.items():
            setattr(made, keyword, value)
        for keyword in ("PatientName", "PatientID", "ContainerIdentifier"):
            setattr(made, keyword, self.naming.stem)
        made.SpecimenDescriptionSequence = specimen or Items([self._specimen(None)])
        made.ContainerTypeCodeSequence = Items([_code("SCT", "433466003")])
        made.IssuerOfTheContainerIdentifierSequence = made.AcquisitionContextSequence = Items([])
        if str(dataset.get("PatientIdentityRemoved", "")) != "YES":
            self.removed.append(Removed("PatientIdentityRemoved is not YES"))
        made.PatientIdentityRemoved, made.LongitudinalTemporalInformationModified = "YES", "REMOVED"
        made.DeidentificationMethodCodeSequence = Items([_code("DCM", method) for method in profile.METHODS])
        if self.naming.shift_dates and (patient := dates.patient_of(dataset)):
            self._move_dates(made, dataset, patient)
        return made

    def _move_dates(self, made: Dataset, dataset: Any, patient: str) -> None:
        """As they were to each other; and all slides of a patient get one pseudonym."""
        days = dates.days_back(self.naming.secret, patient)
        for keyword in sorted(dates.DATES):
            if day := dates.moved(str(dataset.get(keyword) or ""), days):
                setattr(made, keyword, day)
        made.PatientName = made.PatientID = dates.pseudonym(self.naming.secret, patient)
        made.LongitudinalTemporalInformationModified = "MODIFIED"
        made.DeidentificationMethodCodeSequence.append(_code("DCM", dates.METHOD))
        self.shifted = True

    def mapped(self, uid: str) -> str:
        """Another identifier in the place of one, the same in all instances."""
        digest = hmac.new(self.naming.secret, b"uid\0" + uid.encode(), hashlib.sha256).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"

    def drop(self, name: str, element: Any) -> None:
        values = tuple(_values(element))
        if values:
            self.removed.append(Removed(name, values))

    def _inner(self, dataset: Any, depth: int) -> Dataset:
        if depth > _MAX_DEPTH:
            raise NotUnderstoodError("its sequences are nested too deep")
        made = Dataset()
        for element in dataset:
            keyword = keyword_for_tag(element.tag)
            if element.tag.is_private or not keyword:
                kind = "private" if element.tag.is_private else "unknown"
                self.drop(f"{kind} attribute ({element.tag.group:04x},{element.tag.element:04x})", element)
            elif element.VR == "SQ":
                self._sequence(made, keyword, element, depth)
            else:
                self._attribute(made, keyword, element, depth)
        return made

    def _sequence(self, made: Dataset, keyword: str, element: Any, depth: int) -> None:
        if keyword == "SpecimenDescriptionSequence":
            made.SpecimenDescriptionSequence = Items([self._specimen(item) for item in list(element.value)[:1]])
            for item in list(element.value)[1:]:
                self.drop(keyword, item)
        elif keyword in profile.SEQUENCES and keyword.endswith("CodeSequence"):
            setattr(made, keyword, Items(self._codes(keyword, element)))
        elif keyword in profile.SEQUENCES:
            setattr(made, keyword, Items([self._inner(item, depth + 1) for item in element.value]))
        elif keyword == "ContainerTypeCodeSequence":
            self._codes(keyword, element)
        else:
            self.drop(keyword, element)

    def _attribute(self, made: Dataset, keyword: str, element: Any, depth: int) -> None:
        texts = _texts(element)
        if not depth and keyword in dates.DATES and self._days_are_moved and all(map(dates.is_day, texts)):
            return
        if keyword in profile.MAPPED and element.VR == "UI":
            self._map(made, keyword, texts)
        elif keyword in profile.RAW:
            made[keyword] = element
        elif keyword in ("DimensionIndexPointer", "FunctionalGroupPointer"):
            self._pointer(made, keyword, element)
        elif keyword == "ICCProfile":
            self._profile(made, element)
        elif keyword in profile.KEPT and element.VR not in ("UN", "OB", "OW"):
            if all(re.fullmatch(profile.KEPT[keyword], text, re.ASCII) for text in texts):
                made[keyword] = element
            else:
                self.drop(keyword, element)
        elif not profile.is_filler(keyword, "\\".join(texts), _PSEUDONYM.fullmatch("\\".join(texts)) is not None):
            self.drop(keyword, element)

    def _map(self, made: Dataset, keyword: str, texts: list[str]) -> None:
        if self.naming.secret or not all(profile.MAPPED_UID.fullmatch(text) for text in texts):
            self.removed.append(Removed(keyword, tuple(texts)))
        setattr(made, keyword, [self.mapped(text) for text in texts] if len(texts) > 1 else self.mapped("".join(texts)))

    def _pointer(self, made: Dataset, keyword: str, element: Any) -> None:
        named = keyword_for_tag(element.value)
        if named in profile.KEPT or named in profile.SEQUENCES:
            made[keyword] = element
        else:
            self.drop(keyword, element)

    def _profile(self, made: Dataset, element: Any) -> None:
        profile_before = bytes(element.value)
        made.ICCProfile = icc.without_words(profile_before.rstrip(b"\0").ljust(len(profile_before), b"\0"))
        if made.ICCProfile != profile_before:
            words = icc.words_lost(profile_before, made.ICCProfile)
            self.removed.append(Removed("ICC profile: texts and time", words))

    def _codes(self, keyword: str, element: Any) -> Iterator[Dataset]:
        found = []
        for item in element.value:
            scheme, value = str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeValue", ""))
            known = profile.CODES.get((scheme, value))
            if known is None:
                self.drop(keyword, item)
                continue
            found.append(_code(scheme, value))
            for inner in item:
                name = keyword_for_tag(inner.tag)
                if name not in profile.CODE_ATTRIBUTES or (name == "CodeMeaning" and str(inner.value) != known):
                    self.drop(keyword, inner)
        return iter(found)

    def _specimen(self, item: Any) -> Dataset:
        made = Dataset()
        made.SpecimenIdentifier = self.naming.stem
        before = str(item.get("SpecimenUID", "")) if item is not None else ""
        made.SpecimenUID = self.mapped(before)
        made.IssuerOfTheSpecimenIdentifierSequence = made.SpecimenPreparationSequence = Items([])
        for element in item if item is not None else ():
            keyword, text = keyword_for_tag(element.tag), "\\".join(_texts(element))
            is_ours = (keyword == "SpecimenIdentifier" and _PSEUDONYM.fullmatch(text)) or (
                keyword == "SpecimenUID" and not self.naming.secret and profile.MAPPED_UID.fullmatch(text)
            )
            if not is_ours:
                self.drop(f"SpecimenDescriptionSequence {keyword or 'private attribute'}", element)
        return made


def _code(scheme: str, value: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator = value, scheme
    made.CodeMeaning = profile.CODES[scheme, value]
    return made


def _texts(element: Any) -> list[str]:
    value = element.value
    if value is None or isinstance(value, bytes):
        return [] if not value else [value.decode("latin-1")]
    several = isinstance(value, list | tuple) or type(value).__name__ == "MultiValue"
    return [str(one) for one in value] if several else [str(value)]


def _values(element: Any) -> Iterator[str | bytes]:
    """Every value of an element, or of a dataset, and of what is nested in it."""
    if isinstance(element, Dataset):
        for inner in element:
            yield from _values(inner)
    elif element.VR == "SQ":
        for item in element.value:
            yield from _values(item)
    elif isinstance(element.value, bytes):
        yield from words_in(element.value)
    else:
        for text in _texts(element):
            if text.strip("^ "):
                yield text
                yield from (part for part in re.split(r"[\^=|;\r\n]+", text) if part != text and part.strip())


def texts_of(dataset: Dataset) -> tuple[str, ...]:
    """All that a dataset says in words."""
    return tuple(value for value in _values(dataset) if isinstance(value, str))
