"""What the file of a slide's report is called, so that it never takes the place of another. Writes nothing."""

from __future__ import annotations

import re

from wsi.errors import StoreError
from wsi.text import plain

# Tables of a run and of a cohort, which may lie in the same folder; in any case, since some file systems know none.
_TAKEN = re.compile(r"(?:cases|cohort|measures|slides)(?:\.slide)*", re.IGNORECASE)


def report_stem(slide_id: str) -> str:
    """The name of a slide's reports without their ending: its id; ``cohort.slide`` where the id is a table's name.

    An id that looks like that already gets one ``.slide`` more, so no two ids share a name. Raises StoreError for an
    id that is no file name.
    """
    if slide_id in ("", ".", "..") or {"/", "\\", "\0"} & set(slide_id):
        raise StoreError(f"{plain(slide_id)!r} cannot be a file name", hint="run the slide again")
    return f"{slide_id}.slide" if _TAKEN.fullmatch(slide_id) else slide_id
