"""Slidedat.ini: read with bounds, and written anew from the keys that reading the levels needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wsi.deidentify.plan import NotUnderstoodError, Removed

Sections = dict[str, dict[str, str]]

_MAX_BYTES, _MAX_ENTRIES = 1 << 20, 100
ZOOM, POSITIONS, STITCHING = "Slide zoom level", "VIMSLIDE_POSITION_BUFFER", "StitchingIntensityLayer"
SLIDE_ID = re.compile(r"ps[0-9a-f]{30}")
"""How an identifier of ours looks."""
_WHOLE, _NUMBER = re.compile(r"-?\d{1,10}"), re.compile(r"-?\d{0,6}[.,]?\d{0,15}")
_GENERAL = {
    "SLIDE_VERSION": re.compile(r"\d{2}\.\d{2}"),
    "CURRENT_SLIDE_VERSION": re.compile(r"\d{1,2}\.\d{1,2}"),
    **dict.fromkeys(("IMAGENUMBER_X", "IMAGENUMBER_Y", "OBJECTIVE_MAGNIFICATION"), _WHOLE),
    "CameraImageDivisionsPerSide": _WHOLE,
    "SLIDE_TYPE": re.compile("SLIDE_TYPE_BRIGHTFIELD"),
}
_LEVEL = {
    **dict.fromkeys(("OVERLAP_X", "OVERLAP_Y", "MICROMETER_PER_PIXEL_X", "MICROMETER_PER_PIXEL_Y"), _NUMBER),
    **dict.fromkeys(("IMAGE_FILL_COLOR_BGR", "DIGITIZER_WIDTH", "DIGITIZER_HEIGHT", "IMAGE_CONCAT_FACTOR"), _WHOLE),
    **{"IMAGE_COMPRESSION_FACTOR": _WHOLE, "IMAGE_FORMAT": re.compile("JPEG|PNG|BMP24")},
}
_NAMES = re.compile(
    "SLIDE_ID|SLIDE_NAME|SLIDE_CREATIONDATETIME|SLIDE_UTC_CREATIONDATETIME|PROJECT_NAME|SLIDE_QUALITY|SLIDE_BARCODE|"
    "SCANNER_HARDWARE_ID|SCANNER_HARDWARE_VERSION|SCANNER_SOFTWARE_VERSION|SLIDE_LABEL|BARCODE_VALUE|BARCODE_TYPE|"
    "SLIDE_COMMENT|OBJECTIVE_NAME|CAMERA_TYPE|CAMERA_SERIAL|USER_NAME|COMPUTER_NAME|PATIENT_NAME|CASE_ID"
)
_OF_LAYERS = re.compile(
    r"(?:NON)?HIER_\d{1,3}_(?:NAME|COUNT|SECTION|VAL_\d{1,4}(?:_SECTION|_IMAGENUMBER_[XY])?)|(?:NON)?HIER_COUNT"
)


@dataclass(frozen=True)
class Settings:
    """What a slide says of its layers. `layers` are (name, number of values) in the order of their records."""

    sections: Sections
    slide_id: str
    levels: tuple[str, ...]
    """The section of each zoom level."""
    layers: tuple[tuple[str, tuple[str, ...]], ...]
    """Of what is no level: name, and the names of its values."""
    index: str
    files: tuple[str, ...]

    @property
    def positions(self) -> tuple[str, int] | None:
        """The layer that says where the camera's pictures lie, and the number of its record."""
        record = 0
        found: dict[str, int] = {}
        for name, values in self.layers:
            found.setdefault(name, record)
            record += len(values)
        return next(((name, found[name]) for name in (POSITIONS, STITCHING) if name in found), None)


def read_settings(data: bytes) -> Settings:
    """Raises NotUnderstoodError."""
    sections = _parsed(data)
    general, layers = sections.get("GENERAL", {}), sections.get("HIERARCHICAL", {})
    names = [layers.get(f"HIER_{number}_NAME", "") for number in range(_count(layers, "HIER_COUNT"))]
    others = [_count(layers, f"HIER_{number}_COUNT") for number in range(1, len(names))]
    if names[:1] != [ZOOM] or any(count > 1 for count in others):
        raise NotUnderstoodError("it has several filters or focal planes")
    levels = tuple(layers.get(f"HIER_0_VAL_{number}_SECTION", "") for number in range(_count(layers, "HIER_0_COUNT")))
    if not levels or any(level not in sections for level in levels) or not general.get("SLIDE_ID"):
        raise NotUnderstoodError("its settings are incomplete")
    files = sections.get("DATAFILE", {})
    return Settings(
        sections,
        general["SLIDE_ID"],
        levels,
        tuple(_layer(layers, number) for number in range(_count(layers, "NONHIER_COUNT"))),
        _plain_name(layers.get("INDEXFILE", "")),
        tuple(_plain_name(files.get(f"FILE_{number}", "")) for number in range(_count(files, "FILE_COUNT"))),
    )


def written(settings: Settings, slide_id: str) -> bytes:
    """The settings of a copy, whose names and numbers of files are ours."""
    lines = ["[GENERAL]", f"SLIDE_ID = {slide_id}", *_kept(settings.sections["GENERAL"], _GENERAL)]
    lines += ["[HIERARCHICAL]", "INDEXFILE = Index.dat", "HIER_COUNT = 1", f"HIER_0_NAME = {ZOOM}"]
    lines.append(f"HIER_0_COUNT = {len(settings.levels)}")
    for number in range(len(settings.levels)):
        lines += [f"HIER_0_VAL_{number} = ZoomLevel_{number}", f"HIER_0_VAL_{number}_SECTION = {_section(number)}"]
    lines.append(f"NONHIER_COUNT = {int(settings.positions is not None)}")
    if settings.positions is not None:
        lines += [f"NONHIER_0_NAME = {settings.positions[0]}", "NONHIER_0_COUNT = 1", "NONHIER_0_VAL_0 = default"]
        lines += ["NONHIER_0_VAL_0_SECTION = NONHIERLAYER_0_SECTION"]
    lines += ["[DATAFILE]", f"FILE_COUNT = {len(settings.files)}"]
    lines += [f"FILE_{number} = {data_file(number)}" for number in range(len(settings.files))]
    for number, level in enumerate(settings.levels):
        lines += [f"[{_section(number)}]", *_kept(settings.sections[level], _LEVEL)]
    if settings.positions is not None:
        lines += ["[NONHIERLAYER_0_SECTION]", "VIMSLIDE_POSITION_DATA_FORMAT_VERSION = 257"]
    return ("\r\n".join(lines) + "\r\n").encode()


def lost(settings: Settings) -> list[Removed]:
    """What the settings of the copy do not say any more."""
    found = []
    for section, entries in settings.sections.items():
        kept = _GENERAL if section == "GENERAL" else _LEVEL if section in settings.levels else {}
        for key, value in entries.items():
            if (key in kept and kept[key].fullmatch(value)) or _is_ours(settings, section, key, value):
                continue
            if value.strip():
                name = key if _NAMES.fullmatch(key) or key in kept else "key of another name"
                found.append(Removed(f"Slidedat.ini {name}", (value, key)))
    return found


def data_file(number: int) -> str:
    return f"Data{number:04}.dat"


def _is_ours(settings: Settings, section: str, key: str, value: str) -> bool:
    """Whether an entry tells of the layout alone, in words of ours or of every slide."""
    if section == "GENERAL":
        return key == "SLIDE_ID" and SLIDE_ID.fullmatch(value) is not None
    known = {ZOOM, POSITIONS, STITCHING, "Index.dat", "default", *settings.levels}
    if section == "HIERARCHICAL":
        plain = value in known or re.fullmatch(r"\d{1,6}|ZoomLevel_\d{1,3}|(?:NON)?HIERLAYER_\d{1,3}_SECTION", value)
        return (
            (_OF_LAYERS.fullmatch(key) is not None or key == "INDEXFILE")
            and bool(plain)
            and _sections_are_plain(settings)
        )
    if section == "DATAFILE":
        return key == "FILE_COUNT" or re.fullmatch(r"Data\d{4}\.dat", value) is not None
    return key == "VIMSLIDE_POSITION_DATA_FORMAT_VERSION" and value == "257"


def _sections_are_plain(settings: Settings) -> bool:
    return all(re.fullmatch(r"LAYER_0_LEVEL_\d{1,3}_SECTION", level) for level in settings.levels)


def _parsed(data: bytes) -> Sections:
    if len(data) > _MAX_BYTES:
        raise NotUnderstoodError("its settings are too large")
    sections: Sections = {}
    entries: dict[str, str] = {}
    for line in data.decode("utf-8-sig", "replace").splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            entries = sections.setdefault(line[1:-1], {})
        elif line:
            key, _, value = line.partition("=")
            entries[key.strip()] = value.strip()
    return sections


def _count(entries: Mapping[str, str], key: str) -> int:
    text = entries.get(key, "0")
    if not re.fullmatch(r"\d{1,4}", text) or int(text) > 10 * _MAX_ENTRIES:
        raise NotUnderstoodError("its settings count in no sensible way")
    return int(text)


def _layer(entries: Mapping[str, str], number: int) -> tuple[str, tuple[str, ...]]:
    count = _count(entries, f"NONHIER_{number}_COUNT")
    return entries.get(f"NONHIER_{number}_NAME", ""), tuple(
        entries.get(f"NONHIER_{number}_VAL_{at}", "") for at in range(count)
    )


def _plain_name(name: str) -> str:
    """A file of the slide's own folder."""
    if not name or name.startswith(".") or re.search(r"[/\\\0]", name):
        raise NotUnderstoodError("its settings name files elsewhere")
    return name


def _section(number: int) -> str:
    return f"LAYER_0_LEVEL_{number}_SECTION"


def _kept(entries: Mapping[str, str], listed: Mapping[str, re.Pattern[str]]) -> list[str]:
    return [f"{key} = {value}" for key, value in entries.items() if key in listed and listed[key].fullmatch(value)]
