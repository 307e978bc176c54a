"""Copies of DICOM slides: no canary, the same pixels, identifiers mapped in one way, and words that say so."""

import shutil
from datetime import datetime

import numpy as np
import openslide
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.encaps import generate_frames

from tests.canaries import CANARY, canary, dicom_attributes, found_in, with_comment
from tests.dicoms import ROOT, drawn, write_concatenation, write_instance, write_series
from wsi import open_slide
from wsi.deidentify.copy import make_copy
from wsi.deidentify.dicom.dates import moved
from wsi.deidentify.formats import plan_slide, refuse_identifying
from wsi.deidentify.plan import Naming
from wsi.errors import IdentifyingMetadataError, UnsupportedSlideError

KEY = Naming("ps-1", b"key")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "copy"
    made.mkdir()
    return made


@pytest.fixture
def series(tmp_path):
    """Two levels, overview and label with canaries everywhere; the largest level first."""
    source = tmp_path / CANARY
    source.mkdir()
    paths = write_series(source, names=f"{CANARY}-{{}}-{{}}.dcm", **dicom_attributes())
    for path in paths:
        spoil(path)
    return paths


def spoil(path):
    """Private attributes, a preamble, words in the file's own head and behind the pixels."""
    data = dcmread(path)
    block = data.private_block(0x0009, canary("creator"), create=True)
    block.add_new(1, "LO", canary("private"))
    block.add_new(2, "OB", canary("private bytes").encode("utf-16-le"))
    data.preamble = canary("preamble").encode().ljust(128, b"\0")
    data.file_meta.SourceApplicationEntityTitle = CANARY
    dcmwrite(path, data, enforce_file_format=True)
    with path.open("ab") as file:
        words = canary("padding").encode().ljust(64, b"\0")
        file.write(b"\xfc\xff\xfc\xffOB\0\0" + len(words).to_bytes(4, "little") + words)


def copied(path, folder, naming=KEY):
    told = make_copy(path, folder, naming)
    return [folder / name for name in told["files"]], told


def pixels_of(path):
    with openslide.OpenSlide(path) as slide:
        return slide.level_dimensions, np.asarray(slide.read_region((0, 0), 0, slide.dimensions))


def frames_of(path):
    data = dcmread(path)
    return list(generate_frames(data.PixelData, number_of_frames=int(data.get("NumberOfFrames", 1))))


def test_no_canary_is_left_and_the_slide_is_the_same(series, folder):
    assert all(found_in(path.read_bytes()) for path in series)
    copies, told = copied(series[0], folder)
    assert len(copies) == 2 and all(found_in(path.read_bytes()) == [] for path in copies)
    assert sorted(path.name for path in copies) == ["000001.dcm", "000002.dcm"]
    for secret in (b"19490302", b"20091229", b"095915", f"{ROOT}.1.9".encode(), "Vögelchen".encode()):
        assert all(secret not in path.read_bytes() for path in copies)
    before, after = pixels_of(series[0]), pixels_of(folder / told["main"])
    assert before[0] == after[0] and np.array_equal(before[1], after[1])
    with openslide.OpenSlide(folder / told["main"]) as slide:
        assert list(slide.associated_images) == [] and float(slide.properties["openslide.mpp-x"]) == 0.5
    with open_slide(series[0]) as one, open_slide(folder / told["main"]) as other:
        assert one.spacing == other.spacing and one.levels == other.levels


def test_frames_are_kept_to_the_byte(series, folder):
    copies, _ = copied(series[0], folder)
    originals = {frames_of(path)[0]: frames_of(path) for path in series}
    for copy in copies:
        assert originals[frames_of(copy)[0]] == frames_of(copy)


def test_the_copy_says_what_was_done(series, folder):
    copies, _ = copied(series[0], folder)
    for path in copies:
        data = dcmread(path)
        assert data.PatientIdentityRemoved == "YES" and data.LongitudinalTemporalInformationModified == "REMOVED"
        assert [item.CodeValue for item in data.DeidentificationMethodCodeSequence] == ["113100"]
        assert data.PatientName == data.PatientID == data.ContainerIdentifier == "ps-1"
        assert data.StudyDate == data.PatientBirthDate == data.AccessionNumber == ""
        assert [item.SpecimenIdentifier for item in data.SpecimenDescriptionSequence] == ["ps-1"]
        assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
        assert not any(element.tag.is_private for element in data.iterall())


def test_identifiers_are_mapped_by_the_key_alone(series, folder):
    copies, _ = copied(series[0], folder)
    mapped = [dcmread(path) for path in copies]
    assert len({data.SOPInstanceUID for data in mapped}) == 2
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert len({data[name].value for data in mapped}) == 1
        assert mapped[0][name].value.startswith("2.25.")
    for number, (secret, same) in enumerate(((b"key", True), (b"another", False))):
        here = folder / str(number)
        here.mkdir()
        again, _ = copied(series[0], here, Naming("ps-2", secret))
        assert (dcmread(again[0]).StudyInstanceUID == mapped[0].StudyInstanceUID) is same


def test_a_copy_is_found_clean_and_its_source_is_not(series, folder):
    copies, told = copied(series[0], folder)
    with pytest.raises(IdentifyingMetadataError) as caught:
        refuse_identifying(series[0], "slide")
    assert CANARY not in str(caught.value) and CANARY not in str(told)
    for copy in copies:
        refuse_identifying(copy, "slide")


@pytest.mark.parametrize(
    "field",
    [
        *("PatientName", "PatientBirthDate", "InstitutionName", "private attribute (0009,1001)", "preamble"),
        *("private attribute (0011,1001)", "SpecimenDescriptionSequence SpecimenPreparationSequence", "label image"),
        *("IlluminationTypeCodeSequence", "ContainerTypeCodeSequence", "ICC profile: texts and time", "overview image"),
        *("attributes behind the pixels", "SourceApplicationEntityTitle", "StudyInstanceUID"),
    ],
)
def test_the_report_names_the_field(series, folder, field):
    _, told = copied(series[0], folder)
    assert field in [one["field"] for one in told["removed"]]


@pytest.mark.parametrize("sparse", [False, True])
def test_a_concatenation_stays_one(tmp_path, folder, sparse):
    source = tmp_path / "source"
    source.mkdir()
    _, paths = write_concatenation(source, sparse=sparse)
    copies, told = copied(paths[0], folder)
    data = [dcmread(path) for path in copies]
    assert len({one.ConcatenationUID for one in data}) == 1 and data[0].ConcatenationUID.startswith("2.25.")
    assert len({one.SOPInstanceUIDOfConcatenationSource for one in data}) == 1
    assert [one.InConcatenationNumber for one in data] == [1, 2, 3]
    assert np.array_equal(pixels_of(paths[0])[1], pixels_of(folder / told["main"])[1])
    assert f"{ROOT}.77".encode() not in b"".join(path.read_bytes() for path in copies)


def test_comments_in_frames_are_blanked(tmp_path, folder):
    path = write_instance(tmp_path / "x.dcm", drawn(256, 256))
    data = dcmread(path)
    from pydicom.encaps import encapsulate

    frames = [with_comment(frame, canary("frame")) for frame in frames_of(path)]
    data.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2) for frame in frames], has_bot=True)
    data["PixelData"].is_undefined_length = True
    dcmwrite(path, data, enforce_file_format=True)
    copies, told = copied(path, folder)
    assert "JPEG comment" in [one["field"] for one in told["removed"]]
    assert found_in(copies[0].read_bytes()) == []
    assert np.array_equal(pixels_of(path)[1], pixels_of(copies[0])[1])


@pytest.mark.parametrize("keyword", ["SpecimenLabelInImage", "BurnedInAnnotation"])
def test_a_level_that_shows_the_label_is_refused(tmp_path, folder, keyword):
    path = write_instance(tmp_path / "x.dcm", drawn(256, 256), **{keyword: "YES"})
    with pytest.raises(UnsupportedSlideError, match=keyword):
        copied(path, folder)


def test_an_instance_of_no_known_flavour_is_refused(tmp_path, folder):
    path = write_instance(tmp_path / "x.dcm", drawn(256, 256), flavour="SOMETHING")
    with pytest.raises(UnsupportedSlideError, match="neither a level"):
        copied(path, folder)


@pytest.mark.parametrize("cut", [140, 600, 1000, 3000])
def test_a_file_cut_short_is_refused(tmp_path, cut):
    path = write_instance(tmp_path / "x.dcm", drawn(256, 256))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UnsupportedSlideError):
        plan_slide(path, KEY)


def test_a_file_that_is_a_tiff_too_is_taken_as_dicom(tmp_path, folder):
    path = write_instance(tmp_path / "x.dcm", drawn(256, 256))
    path.write_bytes(b"II*\0\x08\0\0\0" + path.read_bytes()[8:])
    copies, told = copied(path, folder)
    assert told["format"] == "dicom" and not copies[0].read_bytes().startswith(b"II")


def test_real_instances(data_dir, tmp_path, folder):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("boxes_0.dcm", "boxes_1.dcm"):
        shutil.copy(data_dir / "wsi" / name, source)
    copies, told = copied(source / "boxes_0.dcm", folder)
    data = b"".join(path.read_bytes() for path in copies)
    for secret in (b"CPAPERIOCS", b"b414003d", b"20091229", b"PixelMed", b"1.3.6.1.4.1.5962"):
        assert secret not in data
    assert told["verified"]["found"] == 0


SHIFTED = Naming("ps-1", b"key", shift_dates=True)
DAYS = {"StudyDate": "20091229", "SeriesDate": "20091230", "ContentDate": "20100104"}


def shifted_series(tmp_path, name="one", naming=SHIFTED, **more):
    """The first instance of a copy whose dates were moved."""
    source, copy = tmp_path / name / "source", tmp_path / name / "copy"
    for made in (source, copy):
        made.mkdir(parents=True)
    told = {
        **DAYS,
        "AcquisitionDateTime": "20091231095915.25+0100",
        "StudyTime": "095915",
        "PatientBirthDate": "19490302",
    }
    paths = write_series(source, **{"PatientID": "4711", **told, **more})
    copies, report = copied(paths[0], copy, naming)
    return dcmread(copies[0]), report, copies


def day(text):
    return datetime.strptime(str(text), "%Y%m%d").date()


def test_shifted_dates_keep_their_distances(tmp_path):
    data, report, copies = shifted_series(tmp_path)
    days = {name: day(data[name].value) for name in (*DAYS, "AcquisitionDateTime")}
    by = {(day(DAYS[name]) - days[name]).days for name in DAYS} | {(day("20091231") - days["AcquisitionDateTime"]).days}
    assert len(by) == 1 and 1 <= by.pop() <= 3650 and report["dates"] == "shifted"
    assert data.StudyTime == data.PatientBirthDate == "" and data.LongitudinalTemporalInformationModified == "MODIFIED"
    assert [item.CodeValue for item in data.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    content = b"".join(path.read_bytes() for path in copies)
    assert not any(words.encode() in content for words in (*DAYS.values(), "20091231", "19490302", "4711", "095915"))
    refuse_identifying(copies[0], "slide")


def test_a_patients_dates_move_alike_and_another_patients_otherwise(tmp_path):
    first, *_ = shifted_series(tmp_path, "first")
    same, *_ = shifted_series(tmp_path, "same", Naming("ps-2", b"key", shift_dates=True), StudyDate="20100129")
    other, *_ = shifted_series(tmp_path, "other", PatientID="4712")
    keyed, *_ = shifted_series(tmp_path, "keyed", Naming("ps-1", b"another", shift_dates=True))
    assert (day(same.StudyDate) - day(first.StudyDate)).days == 31
    assert first.PatientID == same.PatientID != other.PatientID and first.PatientID.startswith("pt-")
    assert (
        len({one.StudyDate for one in (first, other, keyed)})
        == 3
        == len({one.PatientID for one in (first, other, keyed)})
    )


@pytest.mark.parametrize("more", [{"PatientID": ""}, {"PatientID": " "}])
def test_without_a_patient_dates_are_removed(tmp_path, more):
    data, report, _ = shifted_series(tmp_path, **more)
    assert data.StudyDate == "" and data.ContentDate == "19000101" and report["dates"] == "removed"
    assert data.LongitudinalTemporalInformationModified == "REMOVED"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("20200301", "20200229"), ("20200301120000.5+0000", "20200229"), ("2020030112", "20200229")),
        *(
            (text, "")
            for text in ("", "2020", "202003", "20200230", "2020.03.01", "20200301-20200401", "00010101", "x")
        ),
    ],
)
def test_what_is_no_date_is_not_moved(text, expected):
    assert moved(text, 1) == expected


def test_dates_that_nobody_says_were_moved_are_found(tmp_path):
    _, _, copies = shifted_series(tmp_path)
    data = dcmread(copies[0])
    data.LongitudinalTemporalInformationModified = "REMOVED"
    dcmwrite(copies[0], data, enforce_file_format=True)
    with pytest.raises(IdentifyingMetadataError, match="StudyDate"):
        refuse_identifying(copies[0], "slide")


def test_a_time_of_day_beside_moved_dates_is_found(tmp_path):
    _, _, copies = shifted_series(tmp_path)
    data = dcmread(copies[0])
    data.AcquisitionDateTime = "20050101101112"
    dcmwrite(copies[0], data, enforce_file_format=True)
    with pytest.raises(IdentifyingMetadataError, match="AcquisitionDateTime"):
        refuse_identifying(copies[0], "slide")
