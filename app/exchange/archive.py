"""A ZIP that is written forward, file after file, to whatever takes bytes. Broken off, it opens nowhere."""

from __future__ import annotations

import zipfile
from contextlib import AbstractContextManager
from types import TracebackType
from typing import BinaryIO

_PACKED_ALREADY = (".pdf", ".parquet", ".png")
# Fast: most of an archive is JSON and maps, which shrink to a tenth with any effort.
_EFFORT = 1


class Archive(AbstractContextManager["Archive"]):
    """Files of one folder and those below. It is whole only after the `with` ended well."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_EFFORT)
        self._names: set[str] = set()

    def add(self, name: str, content: bytes) -> None:
        """`name` may lie in a folder below. Raises OSError, ValueError for a name that is there already, or that leads
        out of the archive."""
        if name in self._names or not all(part.strip(".") for part in name.split("/")) or "\\" in name:
            raise ValueError(name)
        self._names.add(name)
        # The time of its making says nothing of a result: one cohort gives one archive, byte for byte.
        told = zipfile.ZipInfo(name)
        told.external_attr = 0o644 << 16
        told.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED_ALREADY) else zipfile.ZIP_DEFLATED
        self._zip.writestr(told, content, compresslevel=_EFFORT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._zip.close()
        else:
            self._zip.fp = None  # no list of contents: what was broken off must not look whole
