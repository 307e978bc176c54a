"""A made-up patient in every field that may hold one, in labels, macros, names of files and folders: after a whole
day's work nothing of it is in any store, table, log, database, report, export, archive, page or temporary file."""

import contextlib
import gzip
import io
import os
import re
import subprocess
import sys
import time
import zipfile
import zlib
from base64 import b64encode
from pathlib import Path

import anyio
import pyarrow.parquet
import pytest
from PIL import Image
from starlette.applications import Starlette

from aggregate import store
from app.ledger.table import read_table
from app.review.people import Person
from app.review.records import Case, Verdict
from app.review.reviews import open_reviews
from app.viewer.gate.visitors import THE_ONE, note_visitor
from app.viewer.pages.worklist.feed import LIST_GRANT, Feed
from app.viewer.site import Site
from app.viewer.tiles.pictures import Pictures
from classifier.model_folder.find import DEMO_MODEL
from tests import canaries
from tests.app.viewer.apart import run_apart
from tests.app.viewer.browser import CHROMIUM
from tests.app.viewer.test_incoming import Browser
from tests.canaries import CANARY, canary, dicom_attributes, found_in, write_pages
from tests.conftest import REPOSITORY
from tests.dicoms import write_instance
from wsi import open_slide
from wsi.synthetic.shapes import Rectangle
from wsi.synthetic.slide import SyntheticRegion, write_synthetic_slide

SIDES = (512, 384)
FORMATS = "html,pdf,json,csv,geojson,fhir,dicom,parquet,qupath"
# Ways that a canary goes through unseen: base 64 at any of three shifts, and its own letters in hexadecimal.
_SHIFTED = [b64encode(b" " * shift + CANARY.encode())[4 * bool(shift) :][:12] for shift in range(3)]
OTHERWISE = (*_SHIFTED, CANARY.encode().hex().encode())


def spoken(data: bytes):
    """What is in a file, unpacked: archives, compressed streams, tables, databases as they are."""
    yield data
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from spoken(archive.read(name))
    elif data[:4] == b"PAR1":
        yield str(pyarrow.parquet.read_table(io.BytesIO(data)).to_pydict()).encode()
    elif data[:4] == b"%PDF":
        for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
            with contextlib.suppress(zlib.error):
                yield zlib.decompress(stream)
    elif data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)


def telling(data: bytes, pictures=()) -> bool:
    return any(
        found_in(part) or any(word in part for word in OTHERWISE) or any(piece in part for piece in pictures)
        for part in spoken(data)
    )


def telling_files(folder: Path, pictures=(), skip=lambda path: False):
    """Files whose name or content tells of the patient."""
    found = []
    for path in sorted(folder.rglob("*")):
        if skip(path):
            continue
        if CANARY in str(path.relative_to(folder)) or (path.is_file() and telling(path.read_bytes(), pictures)):
            found.append(str(path.relative_to(folder)))
    return found


@pytest.fixture
def tissue(tmp_path, monkeypatch):
    """The pictures of the canaries' levels show tissue, so that slides are called; labels stay as they are."""
    regions = (SyntheticRegion(Rectangle((0.0, 0.0), (512.0, 384.0)), "adenocarcinoma"),)
    path = tmp_path / "drawn.svs"
    write_synthetic_slide(path, regions=regions, mpp=0.5, size_px=(1024, 768), seed=3)
    with open_slide(path) as slide:
        pixels = slide.read_region((256, 192), 0, SIDES)
    path.unlink()
    noise = canaries.section
    monkeypatch.setattr(
        canaries, "section", lambda width=512, height=384, seed=0: noise(width, height, seed) if seed else pixels
    )
    return pixels


def write_all(folder: Path, name: str, pixels) -> list[Path]:
    """A slide a format, each with canaries in all of its fields; `name` is what files begin with."""
    folder.mkdir(parents=True)
    pages = {
        "svs": canaries.aperio_pages(),
        "ndpi": canaries.ndpi_pages(),
        "ome.tiff": canaries.ome_pages(),
        "philips.tiff": canaries.philips_pages(),
        "generic.tif": canaries.generic_pages(),
    }
    paths = [write_pages(folder / f"{name}.{ending}", told) for ending, told in pages.items()]
    series = folder / f"{name} series"
    series.mkdir()
    more = dicom_attributes()
    paths.append(write_instance(series / f"{name}.dcm", pixels, **more))
    write_instance(series / f"{name}-label.dcm", canaries.section(96, 90, 5), instance=2, flavour="LABEL", **more)
    exif = Image.Exif()
    exif[270], exif[315] = canary("EXIF description"), canary("EXIF artist")
    paths.append(folder / f"{name}.jpg")
    Image.fromarray(pixels).save(
        paths[-1], "JPEG", quality=92, exif=exif, comment=canary("c").encode(), dpi=(50800, 50800)
    )
    assert all(found_in(path.read_bytes()) for path in paths)
    return paths


class Day:
    """A folder to work in: results, what commands said, their temporary files."""

    def __init__(self, root: Path):
        self.root, self.results = root, root / "results"
        self.temporary = root / "temporary"
        for made in (root, self.temporary):
            made.mkdir()
        self.said: list[str] = []

    def run(self, *words):
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "TMPDIR": str(self.temporary),
            "HOME": str(self.root),
        }
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *map(str, words)],
            cwd=self.root, env=environment, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        self.said.append(done.stdout + done.stderr)
        (self.root / f"said-{len(self.said)}.txt").write_text(self.said[-1])
        return done

    def does(self, *words):
        """A command that is to go well."""
        done = self.run(*words)
        assert done.returncode == 0, self.said[-1]

    def work(self, slides: Path, *options):
        """Runs, reports, exports and verifies; decides on every slide and signs."""
        self.does("run", slides, "--out", self.results, "--model", DEMO_MODEL, *options)
        self.sign()
        self.does("report", self.results, "--out", self.root / "reports", "--format", FORMATS)
        self.does("report", self.results, "--zip", self.root / "all.zip", "--format", FORMATS)
        self.does("verify", self.results)
        self.does("review", "list", self.results)
        assert (self.root / "reports" / "cohort.parquet").exists() and (self.root / "all.zip").exists(), self.said

    def sign(self):
        reviews, who = open_reviews(self.results), Person("Anna")
        for path in store.stored_results(self.results):
            case = Case.of(store.load(path), store.committed_digests(path)["result_sha256"])
            reviews.decide(case, Verdict.AGREE, who, comment_text="seen")
            seen = reviews.record(case.slide_id).final.content_sha256
            reviews.sign(case, who, content_sha256=seen, screen={})

    def pages(self, slides: Path):
        """What routes of the viewer answer: the list, every picture, an export; written down beside the rest."""
        site = Site(self.results, (slides,))
        answers = [gzip.decompress(Feed(site, site.batches).answer("", THE_ONE) or b"")]
        pictures = Pictures(site.signer, LIST_GRANT, site.results, site.slides, site.may_see)
        app, token = Starlette(routes=[pictures.route()]), site.signer.sign(LIST_GRANT, time.time())
        ids = list(read_table(self.results).rows)
        answers += [ask(app, f"/pictures/{token}/{kind}/{slide_id}") for slide_id in ids for kind in ("slide", "map")]
        export = site.exports.plan(leave := site.exports.leave(THE_ONE), ids, FORMATS.split(","))[0]
        answers.append(ask(Starlette(routes=site.exports.routes()), f"/export/{leave}/{export}.zip"))
        for number, answer in enumerate(answers):
            (self.root / f"answer-{number}").write_bytes(answer)
        return answers


def ask(app, path):
    sent, told = [], [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if not told:
            await anyio.sleep_forever()
        return told.pop()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "query_string": b"", "headers": []}
    note_visitor(scope, THE_ONE)
    run_apart(lambda: app(scope, receive, send))
    assert sent[0]["status"] == 200, (path, sent[0])
    return b"".join(message.get("body", b"") for message in sent[1:])


def of_labels(paths):
    """Pieces of the compressed label and macro pictures."""
    made = [
        canaries.strip(canaries.section(96, 90, 5)).streams[0],
        canaries.strip(canaries.section(160, 64, 6)).streams[0],
    ]
    return [stream[at : at + 24] for stream in made for at in range(700, len(stream) - 24, 400)]


def test_the_search_finds_a_canary_however_it_is_packed(tmp_path):
    word = canary("x").encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.gz", gzip.compress(word))
    for data in (word, canary("x").encode("utf-16-le"), packed.getvalue(), gzip.compress(word)):
        assert telling(data)
    for shift in range(3):
        assert telling(b64encode(b"a" * shift + word))
    assert telling(b"%PDF stream\n" + zlib.compress(word) + b"\nendstream") and not telling(b"nothing")
    (tmp_path / CANARY).mkdir()
    assert telling_files(tmp_path) == [CANARY]


def test_nothing_of_a_patient_leaves_slides_whose_names_tell_nothing(tmp_path, tissue):
    slides = tmp_path / "slides"
    paths = write_all(slides, "case", tissue)
    day = Day(tmp_path / "day")
    day.work(slides)
    assert len(read_table(day.results).rows) == len(paths) == len(store.stored_results(day.results))
    answers = day.pages(slides)
    assert sum(answer[:3] in (b"\xff\xd8\xff", b"\x89PN", b"RIF") for answer in answers) >= len(paths)
    assert telling_files(day.root, of_labels(paths)) == []


def test_with_pseudonyms_nothing_of_names_of_files_and_folders_is_told_either(tmp_path, tissue):
    slides = tmp_path / f"{CANARY} ward"
    paths = write_all(slides / CANARY, CANARY, tissue)
    (slides / f"{CANARY}-broken.svs").write_bytes(paths[0].read_bytes()[:3000])
    day = Day(tmp_path / "day")
    key = tmp_path / "key"
    done = day.run("run", slides, "--out", day.results, "--model", DEMO_MODEL, "--pseudonymize", key)
    assert done.returncode == 1 and len(store.stored_results(day.results)) == len(paths), day.said[-1]
    day.sign()
    for place in (("--out", day.root / "reports"), ("--zip", day.root / "all.zip")):
        day.run("report", day.results, *place, "--format", FORMATS)
    day.run("verify", day.results)
    day.run("deidentify", slides, "--out", day.root / "copies", "--pseudonymize", key, "--dates", "shift")
    assert len(list((day.root / "copies").iterdir())) > len(paths)
    # `deidentify` says where the key lies, which is a place of the user's own naming.
    assert telling_files(day.root, of_labels(paths)) == []
    assert CANARY in key.with_name("key.map.csv").read_text()


def test_an_upload_is_kept_under_a_name_of_ours_and_tells_nothing_beside_the_slide(tmp_path, tissue):
    content = write_all(tmp_path / "slides", CANARY, tissue)[0].read_bytes()
    upload, (status, _) = Browser(tmp_path / "results").whole(content)
    kept = [path for path in (tmp_path / "results").rglob("*") if path.is_file() and path.read_bytes() == content]
    assert status == 200 and upload and len(kept) == 1
    assert telling_files(tmp_path / "results", skip=lambda path: path in kept) == []


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's Chromium")
def test_no_page_tells_a_patient(tmp_path, tissue, chromium):
    """The list and a slide's page as a browser holds them, and what its storage holds."""
    from tests.app.viewer.browser import KEY, let_in, wait_for
    from tests.app.viewer.conftest import SERVE

    slides = tmp_path / "slides"
    write_all(slides, "case", tissue)
    day = Day(tmp_path / "day")
    day.run("run", slides, "--out", day.results, "--model", DEMO_MODEL)
    port, printed = 8700 + os.getpid() % 200, day.root / "printed"
    (tmp_path / "predict.py").write_text("")
    with printed.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(day.results), str(port), str(tmp_path / "predict.py"), KEY.secret],
            cwd=REPOSITORY, stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(day.temporary)},
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address)
        page = chromium.new_page(base_url=address)
        let_in(page.context, address)
        page.goto("/")
        page.get_by_test_id("worklist-row").first.wait_for()
        (day.root / "list.html").write_text(page.content())
        for number, slide_id in enumerate(read_table(day.results).rows):
            page.goto(f"/?slide={slide_id}")
            page.locator(".frame[data-loaded]").wait_for()
            (day.root / f"page-{number}.html").write_text(
                page.content() + page.evaluate("JSON.stringify({...localStorage})")
            )
        page.close()
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert len(list(day.root.glob("page-*.html"))) == 7 and telling_files(day.root) == []
