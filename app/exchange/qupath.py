"""A QuPath project of many results: its images, our classes in our colours, the regions of each slide, and a script
that brings them in. After QuPath's documented structure of a project (qupath.readthedocs.io, "Project structure") and
of what it reads of it (QuPath 0.5, whose own code `benchmarks.qupath` asks).

QuPath keeps objects in `data.qpdata`, Java's own serialisation, which nothing but QuPath should write: so regions lie
beside as GeoJSON, and the script, which QuPath shows under Automate > Project scripts, adds them.

QuPath's addresses of images are absolute. Ours name a place that does not exist, laid out as project and slides lie to
each other: QuPath then finds each slide from the project's own place, and asks once. So the folder can be moved with
its slides, and no path of this machine is told.
"""

from __future__ import annotations

import json
import os
import posixpath
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from aggregate.result import SlideResult
from app.presentation import words
from app.presentation.colours import NOT_RECOGNISED, class_colours, rgb
from app.reports.geojson_report import WITHOUT_CALL, render_geojson
from app.review.records import SlideRecord
from wsi.text import plain

FOLDER = "qupath"
PROJECT = "project.qpproj"
SCRIPT = "Add the regions of pulmoscope.groovy"
# What reads this form: it is told in the file, and QuPath refuses only 0.2's milestones.
_VERSION = "0.5.1"
_NAMESPACE = uuid.UUID("0c7cf5a8-6c0c-4b0f-9c8e-3d1cf0d2a6f4")
_NOWHERE = "pulmoscope"
_OPENSLIDE = "qupath.lib.images.servers.openslide.OpenslideServerBuilder"
# Readers of ours that decode what OpenSlide opens too; of all other files QuPath chooses among its readers.
_AS_OPENSLIDE = ("openslide", "tiff-jpeg", "dicom-jpeg", "ndpi-jpeg")
_GROOVY = """\
// Adds the regions that pulmoscope made of this image. "Run" for the open image, "Run for project" for many.
// A region that is there already is left as it is.
import qupath.lib.io.PathIO

def file = new File(buildFilePath(PROJECT_BASE_DIR, 'regions', getProjectEntry().getID() + '.geojson'))
if (!file.exists()) {
    print 'pulmoscope made no regions of this image'
    return
}
def known = getAllObjects().collect { it.getID().toString() } as Set
def regions = PathIO.readObjects(file).findAll { !known.contains(it.getID().toString()) }
addObjects(regions)
print regions.size() + ' regions added'
"""
File = tuple[str, bytes]


@dataclass
class QuPathProject:
    """Entries are added slide by slide; the project's own files are written last. `beside` is the folder that will hold
    the project's; None where that is not known, as in an archive."""

    beside: Path | None
    written: datetime | None
    _entries: list[dict[str, Any]] = field(default_factory=list)
    _classes: dict[str, str] = field(default_factory=dict)

    def add(
        self, result: SlideResult, record: SlideRecord | None, file: Path | None, *, whole_canvas: bool = False
    ) -> Iterator[File]:
        """The regions of one slide. `file` is the slide's own, if it is at hand."""
        number = len(self._entries) + 1
        place = PurePosixPath("..", PurePosixPath(plain(result.slide.file)).name)
        if file is not None and self.beside is not None:
            place = relative_place(file, self.beside / FOLDER)
        self._entries.append(_entry(result, number, place))
        palette = class_colours(result.classes, result.background, result.tissues)
        self._classes |= {words.class_title(name): colour for name, colour in palette.items()}
        yield f"{FOLDER}/regions/{number}.geojson", render_geojson(result, record, whole_canvas=whole_canvas)

    def files(self) -> Iterator[File]:
        """The project's own files; none without an entry."""
        if not self._entries:
            return
        # As deep as the slide that lies farthest up, or the way to it would end at the root.
        depth = max(_ups(entry["serverBuilder"]["uri"]) for entry in self._entries)
        base = PurePosixPath("/", _NOWHERE, *(f"folder-{i + 1}" for i in range(depth)))
        moment = int(self.written.timestamp() * 1000) if self.written else 0
        project = {
            "version": _VERSION,
            "createTimestamp": moment,
            "modifyTimestamp": moment,
            "uri": f"file:{quote(str(base / PROJECT))}",
            "lastID": len(self._entries),
            "images": [_placed(entry, base) for entry in self._entries],
        }
        yield f"{FOLDER}/{PROJECT}", _json(project)
        classes = {**self._classes, WITHOUT_CALL: NOT_RECOGNISED}
        told = [{"name": name, "color": packed_colour(colour)} for name, colour in classes.items()]
        yield f"{FOLDER}/classifiers/classes.json", _json({"pathClasses": told})
        yield f"{FOLDER}/scripts/{SCRIPT}", _GROOVY.encode()


def relative_place(file: Path, folder: Path) -> PurePosixPath:
    """The way from `folder` to `file`; beside the folder where there is none, as between two drives."""
    try:
        return PurePosixPath(Path(os.path.relpath(file, folder)).as_posix())
    except ValueError:
        return PurePosixPath("..", file.name)


def packed_colour(colour: str) -> int:
    """``#RRGGBB`` as QuPath keeps colours: opaque ARGB as a signed 32-bit number."""
    red, green, blue = rgb(colour)
    return (0xFF << 24 | red << 16 | green << 8 | blue) - (1 << 32)


def _entry(result: SlideResult, number: int, place: PurePosixPath) -> dict[str, Any]:
    """With the way from the project to the slide in the place of an address."""
    provider = {"providerClassName": _OPENSLIDE} if result.slide.backend in _AS_OPENSLIDE else {}
    return {
        "serverBuilder": {"builderType": "uri", **provider, "uri": str(place), "args": []},
        "entryID": number,
        "randomizedName": str(uuid.uuid5(_NAMESPACE, f"{result.slide_id}/{result.slide.sha256}")),
        "imageName": plain(result.slide_id),
        "description": "Regions by pulmoscope, for research use only",
        "metadata": {
            "Call": words.call_title(result.decision),
            "Status": str(result.status),
            "um/px": f"{result.slide.mpp:g}",
        },
    }


def _ups(place: str) -> int:
    return PurePosixPath(place).parts.count("..")


def _placed(entry: dict[str, Any], base: PurePosixPath) -> dict[str, Any]:
    """An entry whose way is an absolute address below a place that does not exist."""
    address = posixpath.normpath(str(base / entry["serverBuilder"]["uri"]))
    return {**entry, "serverBuilder": {**entry["serverBuilder"], "uri": f"file:{quote(address)}"}}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode("ascii")
