"""Uploads are hostile until checked: what they hold counts, their names are never used, a prediction is watched."""

import io
import json
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from aggregate import store
from app.viewer.uploads import stored
from app.viewer.uploads.stored import (
    Outcome,
    Progress,
    Upload,
    check_image,
    check_mpp,
    delete_upload,
    discard_failed,
    predict,
    store_upload,
    upload_folders,
)
from tests.results import make_result
from wsi.errors import (
    CorruptSlideError,
    EmptyFileError,
    MppImplausibleError,
    MppMissingError,
    OutputUnwritableError,
    SlideTooLargeError,
    UnsupportedSlideError,
)


def image(kind="PNG", size=(30, 20)):
    file = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), 128, np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("TIFF", ".tif")])
def test_the_suffix_follows_the_content(kind, suffix):
    assert check_image(image(kind)) == suffix


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", EmptyFileError),
        (b"<svg onload=alert(1)>", UnsupportedSlideError),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", UnsupportedSlideError),
        (image("GIF"), UnsupportedSlideError),
        (image("BMP"), UnsupportedSlideError),
        (image("PNG")[:20], UnsupportedSlideError),
        (b"II*\0\x08\0\0\0" + b"\0" * 64, UnsupportedSlideError),
    ],
)
def test_anything_but_an_image_is_refused(content, error):
    with pytest.raises((error, CorruptSlideError)):
        check_image(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_by_its_header():
    header = image("PNG", (8, 8))
    for side in (11_000, 60_000):
        size = side.to_bytes(4, "big")
        chunk = b"IHDR" + size + size + header[24:29]
        bomb = header[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + header[33:]
        with pytest.raises(SlideTooLargeError):
            check_image(bomb)


def test_too_many_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(stored, "MAX_UPLOAD_MB", 0)
    with pytest.raises(SlideTooLargeError, match="0 MB"):
        check_image(image())


@pytest.mark.parametrize("mpp", [0.0, -1.0, 0.01, 50.0, float("nan"), float("inf")])
def test_the_pixel_size_must_be_stated_and_plausible(mpp):
    with pytest.raises(MppMissingError):
        check_mpp(None)
    with pytest.raises(MppImplausibleError):
        check_mpp(mpp)
    assert check_mpp(0.5) == 0.5


def test_an_upload_is_stored_once_in_a_folder_of_its_own_under_a_name_of_our_own(tmp_path):
    first, again = (store_upload(image("JPEG"), 0.5, tmp_path) for _ in range(2))
    other = store_upload(image("JPEG"), 1.0, tmp_path)
    assert first == again and first.slide_id != other.slide_id
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.slide_id, other.slide_id])
    assert first.path == tmp_path / first.slide_id / f"{first.slide_id}.jpg" and first.slide_id.startswith("upload-")
    assert first.path.read_bytes() == image("JPEG")


@pytest.mark.parametrize(("bound", "value"), [("MAX_STORED", 2), ("MAX_STORED_BYTES", 2 * len(image()))])
def test_stored_uploads_are_bounded_in_all_and_deletion_makes_room(tmp_path, monkeypatch, bound, value):
    monkeypatch.setattr(stored, bound, value)
    one, _ = (store_upload(image(), mpp, tmp_path) for mpp in (0.25, 0.5))
    with pytest.raises(OutputUnwritableError, match="delete"):
        store_upload(image(), 1.0, tmp_path)
    assert store_upload(image(), 0.25, tmp_path) == one
    assert delete_upload(tmp_path, one.slide_id)
    store_upload(image(), 1.0, tmp_path)


def test_an_upload_is_deleted_with_all_that_was_made_of_it(tmp_path):
    kept = store_upload(image(), 0.5, tmp_path)
    gone = store_upload(image(), 0.25, tmp_path)
    (gone.path.parent / "slides.csv").write_text("a row")
    assert delete_upload(tmp_path, gone.slide_id) and not delete_upload(tmp_path, gone.slide_id)
    assert upload_folders(tmp_path) == [kept.path.parent]


@pytest.mark.parametrize("name", ["", ".", "..", "../case", "case", "upload-", "upload-0123456789ab/..", "upload-xyz"])
def test_nothing_but_an_upload_is_deleted(tmp_path, name):
    uploads = tmp_path / "uploads"
    for folder in (uploads, tmp_path / "case"):
        folder.mkdir()
        (folder / "keep").write_text("precious")
    (uploads / "upload-0123456789ab").symlink_to(tmp_path / "case")
    assert not delete_upload(uploads, name) and not delete_upload(uploads, "upload-0123456789ab")
    assert (uploads / "keep").exists() and (tmp_path / "case" / "keep").exists()


def test_what_failed_goes_and_what_has_a_result_stays(tmp_path):
    failed, done = store_upload(image(), 0.5, tmp_path), store_upload(image(), 0.25, tmp_path)
    store.save(make_result(done.slide_id), done.path.parent)
    for one in (failed, done):
        discard_failed(one)
    assert upload_folders(tmp_path) == [done.path.parent]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputUnwritableError, match="cannot write the upload"):
        store_upload(image(), 0.5, tmp_path / "taken")


def program(tmp_path, *lines, then="", exit_code=0):
    script = tmp_path / "program.py"
    told = [line if isinstance(line, str) else repr(json.dumps(line)) for line in lines]
    body = "\n".join(f"print({line}, flush=True)" for line in told)
    script.write_text(f"import json, sys, time\n{body}\n{then}\nsys.exit({exit_code})\n")
    return (sys.executable, str(script))


def events(tmp_path, *lines, **more):
    what = Upload("upload-1", tmp_path / "upload-1.png", 0.5)
    return list(predict(what, tmp_path, program(tmp_path, *lines, **more)))


def test_progress_and_outcome_are_told(tmp_path):
    progress = {"event": "progress", "slide_id": "upload-1", "tiles_done": 3, "tiles": 12}
    slide = {"event": "slide", "slide_id": "upload-1", "status": "review"}
    told = events(tmp_path, progress, slide, {"event": "end", "exit_code": 0})
    assert told == [Progress(3, 12), Outcome("upload-1")]
    assert told[0].fraction == 0.25


def test_a_failed_slide_tells_its_line(tmp_path):
    slide = {"event": "slide", "slide_id": "x", "status": "failed", "error_code": "no-tissue", "message": "all glass"}
    assert events(tmp_path, slide, exit_code=1) == [Outcome(None, "no-tissue: all glass")]


def test_noise_and_a_crash_end_in_one_line(tmp_path):
    (outcome,) = events(tmp_path, "'not json'", [1, 2], {"event": "progress"}, exit_code=139)
    assert outcome.slide_id is None and "exit code 139" in outcome.problem


def test_the_program_is_told_file_mpp_and_folder(tmp_path):
    shown = events(tmp_path, "json.dumps({'event': 'slide', 'status': 'done', 'slide_id': ' '.join(sys.argv[1:])})")
    arguments = f"run {tmp_path}/upload-1.png --mpp-override 0.5 --out {tmp_path} --slide-timeout 600 --json"
    assert shown == [Outcome(arguments)]


def test_closing_early_ends_the_program(tmp_path):
    mark = tmp_path / "mark"
    running = predict(
        Upload("upload-1", tmp_path / "u.png", 0.5),
        tmp_path,
        program(
            tmp_path,
            {"event": "progress", "tiles_done": 1, "tiles": 2},
            then=f"time.sleep(60)\nopen({str(mark)!r}, 'w')",
        ),
    )
    assert next(running) == Progress(1, 2)
    running.close()
    assert not mark.exists()
