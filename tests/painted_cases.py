"""The made cohort of `tests/cases.py` painted as slides of known truth, and the manifest that tells their cases.

Six pictures are painted once each; every slide is a file of its own.
"""

from __future__ import annotations

from pathlib import Path

from tests.cases import AD, NORMAL, SCC, MadeCase
from wsi.synthetic.shapes import Ellipse, Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

_SIZE_UM, _TISSUE = (1200.0, 900.0), Rectangle((60.0, 50.0), (1080.0, 800.0))
_ORIGIN, _OTHER, _SMALL = (Ellipse((600.0, 450.0), radii) for radii in ((420.0, 320.0), (300.0, 250.0), (230.0, 200.0)))
# A name, the kind of tumour and where it is: of two slides with a tumour the slide of origin has the larger one.
_PICTURES = {
    NORMAL: (),
    "small": (SyntheticRegion(_SMALL, AD),),
    **{f"{kind} {name}": (SyntheticRegion(shape, kind),)
       for kind in (AD, SCC) for name, shape in (("origin", _ORIGIN), ("other", _OTHER))},
}  # fmt: skip


def origin_of(case: MadeCase) -> str:
    """The slide that is painted with most of the case's tumour; "" for a case without one."""
    of_the_call = [at for at, kind in enumerate(case.slides) if kind in (case.call, "small") and case.call != NORMAL]
    # Not always the first, so that an order does not pass for an area.
    return case.slide_id(of_the_call[int(case.name[-2:]) % len(of_the_call)]) if of_the_call else ""


def paint_cohort(folder: Path, cases: list[MadeCase]) -> None:
    """A file a slide, and `with-cases.csv` and `without.csv` that list them; a failed one is cut off."""
    pictures = _painted(folder / "picture.svs")
    lines = []
    for case in cases:
        for at, kind in enumerate(case.slides):
            slide_id = case.slide_id(at)
            picture = pictures[_picture_of(kind, slide_id == origin_of(case))]
            # What follows a TIFF's last part is read by nobody, and makes each slide another file.
            content = picture[:1000] if kind == "failed" else picture + slide_id.encode()
            (folder / f"{slide_id}.svs").write_bytes(content)
            lines.append((f"{slide_id}.svs", case.name, f"{chr(ord('A') + at)}1"))
    told = "".join(f"{','.join(line)}\n" for line in lines)
    (folder / "with-cases.csv").write_text(f"slide,case,block\n{told}")
    (folder / "without.csv").write_text("".join(["slide\n", *(f"{file}\n" for file, *_ in lines)]))


def _picture_of(kind: str, is_origin: bool) -> str:
    if kind in (AD, SCC):
        return f"{kind} {'origin' if is_origin else 'other'}"
    return "small" if kind == "small" else NORMAL


def _painted(path: Path) -> dict[str, bytes]:
    painted = {}
    for name, tumour in _PICTURES.items():
        regions = (SyntheticRegion(_TISSUE, NORMAL), *tumour)
        write_synthetic_slide(path, regions=regions, mpp=1.0, size_um=_SIZE_UM, seed=3, levels=(1, 4))
        painted[name] = path.read_bytes()
    path.unlink()
    return painted
