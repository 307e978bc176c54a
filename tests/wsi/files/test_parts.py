"""Parts of slides: one file stands for each slide, whatever else of it lies there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames

from app.batch.inputs import collect_jobs
from tests.dicoms import drawn, write_concatenation, write_instance, write_series, write_vms
from wsi import open_slide
from wsi.errors import CorruptSlideError, UnsupportedSlideError
from wsi.files.parts import slides_of
from wsi.readers.dicom import series as dicom_series
from wsi.readers.slide_files import slide_files


def names(found: dict[Path, Path]) -> dict[str, str]:
    return {part.name: slide.name for part, slide in found.items()}


def everything(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_a_dicom_series_is_one_slide(tmp_path: Path) -> None:
    write_series(tmp_path)
    assert set(names(slides_of(everything(tmp_path))).values()) == {"1-level0.dcm"}
    assert [file.name for file in slide_files(tmp_path / "1-label.dcm")] == [
        f"1-{name}.dcm" for name in ("label", "level0", "level1", "overview")
    ]


def test_two_series_in_one_folder_are_two_slides_whatever_they_are_called(tmp_path: Path) -> None:
    for series in ("1", "2"):
        for number, part in enumerate(write_series(tmp_path, series, study=series)):
            part.rename(tmp_path / f"{9 - number}{series}")  # no ending, and the label sorts first
    assert names(slides_of(everything(tmp_path))) == {f"{n}{s}": f"9{s}" for n in (6, 7, 8, 9) for s in (1, 2)}


def test_any_part_that_is_named_stands_for_its_slide(tmp_path: Path) -> None:
    level0, *others = write_series(tmp_path)
    for part in others:
        assert slides_of([part]) == {part: level0}


def test_a_label_in_a_series_of_its_own_belongs_to_the_slide_of_its_study(tmp_path: Path) -> None:
    volume = write_instance(tmp_path / "b.dcm", drawn(256, 256), series="1", study="7")
    label = write_instance(tmp_path / "a.dcm", drawn(96, 96), series="2", study="7", flavour="LABEL")
    assert slides_of([label]) == {label: volume}
    # Of two slides in the study, nobody can tell whose label it is.
    write_instance(tmp_path / "c.dcm", drawn(256, 256), series="3", study="7")
    assert slides_of([label]) == {label: label}


@pytest.mark.parametrize("series_of", [lambda n: "1", lambda n: str(n)], ids=["one series", "a series each"])
@pytest.mark.parametrize("flavour", ["VOLUME", "LABEL"])
def test_twice_the_instances_are_twice_the_looks(tmp_path: Path, monkeypatch, series_of, flavour) -> None:
    looks = []
    original = dicom_series.read_header
    monkeypatch.setattr(dicom_series, "read_header", lambda path: looks.append(path) or original(path))
    counts = []
    for count in (10, 20):
        folder = tmp_path / str(count)
        folder.mkdir()
        for n in range(count):
            kind = "VOLUME" if n == 0 else flavour
            write_instance(folder / f"{n:03}.dcm", drawn(32, 32), series=series_of(n), study="7", flavour=kind)
        looks.clear()
        found = slides_of(everything(folder))
        counts.append(len(looks))
        assert len(found) == count
    assert counts[1] <= 2 * counts[0] + 4


@pytest.mark.parametrize("flavour", ["LABEL", "OVERVIEW", "THUMBNAIL"])
def test_a_label_alone_is_never_read_as_a_slide(tmp_path: Path, flavour: str) -> None:
    label = write_instance(tmp_path / "a.dcm", drawn(256, 256), flavour=flavour)
    assert slides_of([label]) == {label: label}
    with pytest.raises(UnsupportedSlideError, match="is a label, overview or thumbnail without the slide"):
        open_slide(label, mpp=0.5)


def test_a_sparse_series_and_one_with_a_thumbnail_are_one_slide_each(tmp_path: Path) -> None:
    write_series(tmp_path, "1", sparse=True)
    write_series(tmp_path, "2", study="2")
    write_instance(tmp_path / "0.dcm", drawn(64, 64), series="2", study="2", instance=9, flavour="THUMBNAIL")
    found = names(slides_of(everything(tmp_path)))
    assert set(found.values()) == {"1-level0.dcm", "2-level0.dcm"} and found["0.dcm"] == "2-level0.dcm"
    for name in set(found.values()):
        with open_slide(tmp_path / name) as slide:
            assert slide.size_px == (512, 512)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("cuts", [(0, 8, 16), (0, 6, 10, 16), (0, 1, 2, 15, 16)])
def test_a_concatenation_is_one_slide_and_read_whole(tmp_path: Path, cuts: tuple[int, ...], sparse: bool) -> None:
    whole, parts = write_concatenation(tmp_path, cuts, sparse=sparse)
    [stands] = set(slides_of(parts).values())
    with open_slide(stands) as slide:
        assert set(slide.files.paths) == set(parts)
        difference = np.abs(slide.read_region((0, 0), 0, (512, 512)).astype(int) - whole)
        assert difference.mean() < 4 and difference.reshape(4, 128, -1).mean((1, 2)).max() < 5


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_concatenation_that_lacks_an_instance_is_incomplete(tmp_path: Path, missing: int) -> None:
    _, parts = write_concatenation(tmp_path)
    parts.pop(missing).unlink()
    with pytest.raises(CorruptSlideError, match="is incomplete: an instance of its concatenation is missing"):
        open_slide(slides_of(parts)[parts[0]])


def test_a_series_of_two_pictures_is_whole_but_not_read(tmp_path: Path) -> None:
    path = write_instance(tmp_path / "a.dcm", drawn(256, 256, 1))
    write_instance(tmp_path / "b.dcm", drawn(256, 256, 2), instance=2)
    with pytest.raises(UnsupportedSlideError, match="two pictures of one size in a series"):
        open_slide(path)


def light(code):
    """An optical path of this light, an ICC profile of some size before its code's place in the file or not."""
    kind, path = Dataset(), Dataset()
    kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning = code, "DCM", "light"
    path.OpticalPathIdentifier, path.IlluminationTypeCodeSequence = "1", [kind]
    path.ICCProfile = bytes(4000)
    return {"OpticalPathSequence": [path]}


BRIGHT, FLUORESCENCE = light("111744"), light("111743")


@pytest.mark.parametrize("first", [BRIGHT, FLUORESCENCE])
def test_of_several_lights_bright_field_is_taken(tmp_path: Path, first: dict) -> None:
    pictures = [drawn(256, 256, seed) for seed in (1, 2)]
    second = FLUORESCENCE if first is BRIGHT else BRIGHT
    paths = [
        write_instance(tmp_path / name, pixels, instance=number, **more)
        for number, (name, pixels, more) in enumerate(
            zip(("a.dcm", "b.dcm"), pictures, (first, second), strict=True), 1
        )
    ]
    bright = paths[0 if first is BRIGHT else 1]
    assert slides_of(paths) == dict.fromkeys(paths, bright) and slide_files(bright) == (bright,)
    with open_slide(bright) as slide:
        shown = slide.read_region((0, 0), 0, (256, 256)).astype(int)
    assert np.abs(shown - pictures[paths.index(bright)]).mean() < 4


@pytest.mark.parametrize("lights", [(BRIGHT, BRIGHT), (FLUORESCENCE, FLUORESCENCE), (BRIGHT, {}), ({}, FLUORESCENCE)])
def test_where_light_does_not_decide_nothing_is_taken(tmp_path: Path, lights: tuple[dict, dict]) -> None:
    for number, more in enumerate(lights, start=1):
        path = write_instance(tmp_path / f"{number}.dcm", drawn(256, 256, number), instance=number, **more)
    with pytest.raises(UnsupportedSlideError, match="two pictures of one size in a series"):
        open_slide(path)


def two_lights(path: Path, lights: tuple[dict, dict], sparse: bool) -> tuple[Path, list]:
    """An instance with two pictures of one place, each in a light of its own; and the pictures."""
    pictures = [drawn(256, 256, seed) for seed in (1, 2)]
    datas = [dcmread(write_instance(path, pixels, sparse=sparse)) for pixels in pictures]
    frames = [frame for data in datas for frame in generate_frames(data.PixelData, number_of_frames=4)]
    whole = datas[0]
    whole.NumberOfFrames, whole.NumberOfOpticalPaths = 8, 2
    whole.OpticalPathSequence = [one["OpticalPathSequence"][0] for one in lights]
    if sparse:
        whole.PerFrameFunctionalGroupsSequence = [*whole.PerFrameFunctionalGroupsSequence] * 2
    whole.PixelData = encapsulate(frames, has_bot=True)
    whole["PixelData"].VR, whole["PixelData"].is_undefined_length = "OB", True
    dcmwrite(path, whole, enforce_file_format=True)
    return path, pictures


def test_bright_field_is_taken_of_several_lights_in_one_instance(tmp_path: Path) -> None:
    path, pictures = two_lights(tmp_path / "a.dcm", (BRIGHT, FLUORESCENCE), sparse=False)
    with open_slide(path) as slide:
        shown = slide.read_region((0, 0), 0, (256, 256)).astype(int)
    assert np.abs(shown - pictures[0]).mean() < 4 < np.abs(shown - pictures[1]).mean()


@pytest.mark.parametrize(
    ("lights", "sparse"),
    [((FLUORESCENCE, BRIGHT), False), ((BRIGHT, FLUORESCENCE), True), ((FLUORESCENCE, BRIGHT), True)],
)
def test_it_is_asked_for_where_openslide_would_show_another(tmp_path: Path, lights: tuple, sparse: bool) -> None:
    path, _ = two_lights(tmp_path / "a.dcm", lights, sparse)
    with pytest.raises(UnsupportedSlideError, match="2 optical paths") as caught:
        open_slide(path)
    assert "brightfield" in caught.value.hint


def test_a_concatenation_of_one_light_is_still_whole(tmp_path: Path) -> None:
    _, parts = write_concatenation(tmp_path)
    for part in parts:
        data = dcmread(part)
        data.OpticalPathSequence = BRIGHT["OpticalPathSequence"]
        dcmwrite(part, data, enforce_file_format=True)
    assert set(slide_files(parts[0])) == set(parts)


def test_other_dicom_and_damaged_dicom_stand_for_themselves(tmp_path: Path) -> None:
    level0, *_ = write_series(tmp_path)
    other = write_instance(tmp_path / "ct.dcm", drawn(64, 64), SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(level0.read_bytes()[:300])
    fake = tmp_path / "fake.dcm"
    fake.write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 999)
    assert [slides_of([path])[path] for path in (other, cut, fake)] == [other, cut, fake]
    assert not {other, cut, fake} & set(slide_files(level0))


def test_a_cut_copy_does_not_stand_for_the_slide(tmp_path: Path) -> None:
    level0, *_ = write_series(tmp_path)
    (tmp_path / "0.dcm").write_bytes(level0.read_bytes()[:-900])
    assert set(slides_of(everything(tmp_path)).values()) == {level0}


def test_the_pictures_of_a_vms_are_no_slides(tmp_path: Path) -> None:
    index = write_vms(tmp_path, "scan")
    stranger = tmp_path / "scan_other.jpg"
    stranger.write_bytes((tmp_path / "scan.jpg").read_bytes())
    assert names(slides_of(everything(tmp_path))) == {
        **dict.fromkeys(("scan.vms", "scan.jpg", "scan_map2.jpg", "scan_macro.jpg"), "scan.vms"),
        "scan_other.jpg": "scan_other.jpg",
    }
    # The macro picture shows the label; it is no part of what is read.
    assert {file.name for file in slide_files(index)} == {"scan.vms", "scan.jpg", "scan_map2.jpg"}


@pytest.mark.parametrize(
    "text",
    [
        "ImageFile=a.svs\nImageFile(1,0)=a.jpg\n",
        "[Virtual Microscope Specimen]\nImageFile=a.svs\nMapFile=../b.jpg\nMacroImage=/etc/hosts\n",
    ],
)
def test_an_index_hides_no_slide(tmp_path: Path, text: str) -> None:
    for name in ("a.svs", "a.jpg"):
        (tmp_path / name).write_text("x")
    (tmp_path / "x.vms").write_text(text)
    assert all(part == slide for part, slide in slides_of(everything(tmp_path)).items())


def test_what_lies_in_a_mirax_folder_is_no_slide(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a.mrxs", "a/Slidedat.ini", "a/preview.jpg", "b.jpg"):
        (tmp_path / name).write_text("x")
    found = slides_of([tmp_path / "a" / "preview.jpg", tmp_path / "b.jpg", tmp_path / "a.mrxs"])
    assert names(found) == {"preview.jpg": "a.mrxs", "b.jpg": "b.jpg", "a.mrxs": "a.mrxs"}
    (tmp_path / "a" / "Slidedat.ini").unlink()
    assert slides_of([tmp_path / "a" / "preview.jpg"]) == {tmp_path / "a" / "preview.jpg": tmp_path / "a/preview.jpg"}


def test_what_cannot_be_looked_at_stands_for_itself(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    os.mkfifo(tmp_path / "pipe.vms")
    (tmp_path / "folder.dcm").mkdir()
    paths = [tmp_path / name for name in ("pipe.dcm", "pipe.vms", "folder.dcm", "gone.dcm", "gone/x.dcm")]
    assert slides_of(paths) == {path: path for path in paths}


def test_a_folder_of_many_instances_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for series in range(12):
        for instance in (1, 2):
            write_instance(
                tmp_path / f"{series}-{instance}.dcm", drawn(64, 64), series=str(series + 1), instance=instance, tile=64
            )
    looked_at: list[bytes] = []
    parse = dicom_series._parse
    monkeypatch.setattr(dicom_series, "_parse", lambda head: looked_at.append(head) or parse(head))
    dicom_series._header.cache_clear()
    files = everything(tmp_path)
    assert len(set(slides_of(files).values())) == 12
    for file in files:
        assert len(slide_files(file)) == 2
    assert len(looked_at) == 24


def test_an_instance_that_was_rewritten_is_looked_at_again(tmp_path: Path) -> None:
    first, second, *_ = write_series(tmp_path)
    for part in tmp_path.iterdir():
        os.utime(part, (1e9, 1e9))
    os.utime(tmp_path, (1e9, 1e9))  # long settled: the folder is remembered
    assert second in slide_files(first)
    write_instance(second, drawn(128, 128), series="5", instance=2)
    os.utime(tmp_path, (1e9, 1e9))
    assert second not in slide_files(first)


def test_parts_are_one_job_by_folder_by_name_and_by_manifest(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "hamamatsu").mkdir()
    parts = write_series(tmp_path / "series")
    write_vms(tmp_path / "hamamatsu", "scan")
    assert [job.slide_id for job in collect_jobs([tmp_path], None)] == ["scan", "1-level0"]
    [job] = collect_jobs([parts[3], parts[1]], None)
    assert (job.path, job.file, job.slide_id) == (parts[0], str(parts[0]), "1-level0")
    (tmp_path / "slides.csv").write_text("slide,mpp\nseries/1-level1.dcm,0.4\n")
    [job] = collect_jobs([], tmp_path / "slides.csv")
    assert (job.path.name, job.mpp) == ("1-level0.dcm", 0.4)
