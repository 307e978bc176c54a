"""A result as DICOM objects: labels as Segmentation, heatmap as Parametric Map; `dicom_report` tells the call.

Maps have one pixel a cell; their place and spacing are told in the coordinates of the source's level 0, so that viewers
lay them over any level. Probabilities go into the Parametric Map, a channel a class: viewers show several fractional
segments of one object blank. A cell where no tile took part is NaN there, and of no segment.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from aggregate.result import SlideResult
from app.exchange.dicom_source import MAKER, Place, made_of, place_of, source_image, uid
from app.presentation import words
from app.review.records import SlideRecord
from wsi import __version__
from wsi.errors import UsageError
from wsi.text import plain

ENDINGS = (".seg.dcm", ".pm.dcm", ".sr.dcm")


def render_dicom(result: SlideResult, slide: Path | None = None, record: SlideRecord | None = None) -> dict[str, bytes]:
    """Ending -> bytes of each object; `slide` is the file of the slide, if it is at hand, `record` what people decided.

    Without a call in any cell there is no Segmentation. Raises UsageError where highdicom is not installed.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise UsageError("--format dicom needs highdicom", hint="pip install -e '.[dicom]'") from error
    from app.exchange.dicom_report import structured_report

    place = place_of(result, slide)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {".pm.dcm": _map(result, place), ".sr.dcm": structured_report(result, place, record)}
        if result.heatmap.call.any():
            found[".seg.dcm"] = _labels(result, place)
    return {ending: _written(found[ending]) for ending in ENDINGS if ending in found}


def _labels(result: SlideResult, place: Place) -> Any:
    from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription

    from app.exchange import dicom_codes as codes

    present = [index for index in range(len(result.outputs)) if (result.heatmap.call == index + 1).any()]
    labels = np.zeros_like(result.heatmap.call)
    for number, index in enumerate(present, start=1):
        labels[result.heatmap.call == index + 1] = number
    segments = [
        SegmentDescription(
            segment_number=number,
            segment_label=words.class_title(result.outputs[index])[:64],
            segmented_property_category=codes.ABNORMAL if result.tumour_outputs[index] else codes.OF_TISSUE,
            segmented_property_type=codes.of_output(result.outputs[index]),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=_algorithm(result),
        )
        for number, index in enumerate(present, start=1)
    ]
    made = Segmentation(
        pixel_array=labels[None],
        segmentation_type="BINARY",
        segment_descriptions=segments,
        omit_empty_frames=False,
        dimension_organization_type="TILED_SPARSE",
        **_common(result, place, "seg", 1),
        **_geometry(result, place),
    )
    made.PatientOrientation = ""  # type 2C: may be there, says nothing on a slide, and `dciodvfy` asks for it
    return made


def _map(result: SlideResult, place: Place) -> Any:
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping

    from app.exchange import dicom_codes as codes

    mappings = [
        [
            RealWorldValueMapping(
                lut_label=words.class_title(name)[:16],
                lut_explanation=f"Probability: {words.class_title(name)}"[:64],
                unit=codes.NO_UNITS,
                value_range=(0.0, 1.0),
                slope=1.0,
                intercept=0.0,
                quantity_definition=codes.of_output(name),
            )
        ]
        for name in result.outputs
    ]
    return ParametricMap(
        pixel_array=np.ascontiguousarray(np.moveaxis(result.heatmap.probabilities, 0, -1)[None], np.float32),
        real_world_value_mappings=mappings,
        contains_recognizable_visual_features=False,
        voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
        **_common(result, place, "pm", 2),
        **_geometry(result, place),
    )


def _common(result: SlideResult, place: Place, kind: str, number: int) -> dict[str, Any]:
    return {
        "source_images": [source_image(result, place)],
        "series_instance_uid": uid("series", kind, *made_of(result)),
        "series_number": 100 + number,
        "sop_instance_uid": uid("instance", kind, *made_of(result)),
        "instance_number": 1,
        "manufacturer": MAKER,
        "manufacturer_model_name": plain(result.provenance.model.name or "unknown", 64),
        "software_versions": result.provenance.pulmoscope or __version__,
        "device_serial_number": "none",
    }


def _geometry(result: SlideResult, place: Place) -> dict[str, Any]:
    """Spacing of the cells in mm, and where the centre of cell (0, 0) lies."""
    from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence

    heatmap, mm = result.heatmap, result.slide.mpp / 1000
    along, down = ((edge + (heatmap.cell_px - 1) / 2) * mm for edge in heatmap.origin_px)
    cosines = place.orientation
    x, y = (place.origin_mm[axis] + along * cosines[axis] + down * cosines[3 + axis] for axis in (0, 1))
    rows, columns = heatmap.call.shape
    return {
        "pixel_measures": PixelMeasuresSequence([heatmap.cell_um / 1000] * 2, 0.001),
        "plane_orientation": PlaneOrientationSequence("SLIDE", list(cosines)),
        "plane_positions": [PlanePositionSequence("SLIDE", (x, y, 0.0), (1, 1))],
        "tile_pixel_array": True,
        "tile_size": (min(rows, 256), min(columns, 256)),
    }


def _algorithm(result: SlideResult) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from pydicom.sr.codedict import codes

    model = result.provenance.model
    name, version = plain(model.name or "unknown", 64), plain(model.version or "unknown", 64)
    return AlgorithmIdentificationSequence(name, codes.DCM.ArtificialIntelligence, version)


def _written(dataset: Any) -> bytes:
    dataset.SpecificCharacterSet = "ISO_IR 192"  # names of slides and people are of any script
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()
