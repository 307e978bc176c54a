"""What a person files: archive rules, tags, one content in all forms and languages, pictures from the very slide."""

import csv
import gettext
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from aggregate import store
from app import reports
from app.ledger.records import SlideRow
from app.presentation import figures, language, words
from app.presentation.colours import class_colours, rgb
from app.presentation.language import speaking
from app.presentation.measured import MEASURES_NOTE
from app.reports import ReportOptions
from app.reports.content.places import MOST_REGIONS, regions_told
from app.reports.content.slide import describe
from app.reports.json_report import SCHEMA_FILE
from app.reports.pdf import document
from app.reports.pictures.slide import take_pictures
from app.review.people import Person
from app.review.records import Case, Verdict
from app.review.reviews import open_reviews
from app.slides.views import report_views
from tests.app.reports.pdfa import Pdf, outline, problems
from tests.app.reports.test_reports import Page
from tests.results import CELLS, make_result
from wsi import open_slide
from wsi.files.fingerprint import fingerprint

WRITTEN = datetime(2026, 11, 29, 11, 5, tzinfo=UTC)
FILED = ReportOptions(case="A-2026/117", written=WRITTEN)
ALL_REASONS = tuple(words.REASONS)


def text_of(pdf):
    """In the order in which it is drawn."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    done = subprocess.run(["pdftotext", "-raw", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


def failed_row(**more):
    facts = {"slide_id": "S-9", "file": "/data/ward 3/S-9.svs", "status": "failed", "error_code": "mpp-missing"}
    return SlideRow(**{**facts, "message": "S-9.svs tells no pixel size; give --mpp", **more})


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """A slide as a PNG: each 50 px square of it has a colour of its own; and a result of it."""
    path = tmp_path_factory.mktemp("slide") / "one.png"
    rows, columns = np.indices((600, 1200)) // 50
    pixels = np.stack([rows * 20, columns * 10, np.full_like(rows, 90)], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    result = make_result("one", cell_px=100.0, mpp=2.0, file=path.name, reasons=("unfamiliar-tissue", "pen"))
    return path, replace(result, slide=replace(result.slide, sha256=fingerprint(path))), pixels


def asked_here(work, address, *arguments):
    with open_slide(address.path, mpp=address.mpp) as slide:
        return work(slide, *arguments)


# The archive


CASES = {
    "clear": (make_result(probabilities=(0.9999994, 5e-7, 1e-7)), None),
    "scattered": (make_result(reasons=("scattered", "low-margin"), cells="0.1.0 .2.0. 0.0.1 u.b.p"), None),
    "twelve reasons": (make_result("S" * 60, reasons=ALL_REASONS[:12]), None),
    "cannot tell": (make_result(call="undetermined", reasons=("undetermined",), cells="uuu uuu"), None),
    "names": (make_result("檔案 فحص 12", call="腺癌", classes=("腺癌", "normal", "سرطان")), None),
    "synthetic": (make_result(synthetic=True), None),
    "many classes": (
        make_result(classes=[f"class {i}" for i in range(24)] + ["normal"], probabilities=[0.04] * 25, call="class 0"),
        None,
    ),
}


@pytest.mark.parametrize("code", language.LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_reports_keep_to_the_rules_of_the_archive(name, code):
    result, record = CASES[name]
    pdf = reports.render(result, "pdf", record, replace(FILED, language=code))
    assert problems(pdf) == [] and len(pdf) < 3_000_000


def test_failed_slides_and_undated_reports_keep_to_them_too():
    assert problems(reports.render_failure(failed_row(), "pdf", FILED)) == []
    pdf = reports.render(make_result(), "pdf")
    assert problems(pdf) == [] and b"CreationDate" not in pdf


def test_the_check_of_the_archive_sees_what_is_wrong():
    pdf = reports.render(make_result(), "pdf", None, FILED)
    wrong = {
        b"/GTS_PDFA1": b"/GTS_PDFX1",
        b"<pdfaid:part>2": b"<pdfaid:part>3",
        b"/Marked true": b"/Marked null",
        b"/ToUnicode": b"/ToUnicodo",
        b"(Slide report)": b"(Slide rEport)",
        b"/DisplayDocTitle true": b"/DisplayDocTitle null",
        b"/Alt (": b"/Alz (",
        b"/DeviceRGB": b"/DeviceXYZ",
        b"%PDF-1.7": b"%PDF-2.0",
        b"317.8711 400.8789": b"317.8711 410.8789",  # of the widths of a space and what follows it
    }
    for right, other in wrong.items():
        assert right in pdf and problems(pdf.replace(right, other.ljust(len(right))[: len(right)])) != [], right


def test_metadata_hold_no_name():
    record_names = ("S-1-Miller", "A-2026/117")
    pdf = reports.render(make_result("S-1-Miller", file="Miller.svs"), "pdf", None, FILED)
    start = pdf.index(b"<?xpacket begin")
    xmp = pdf[start : pdf.index(b"<?xpacket end", start)].decode()
    assert "Slide report" in xmp and not any(name in xmp for name in record_names)
    assert not any(name.encode() in pdf for name in ("S-1-Miller", "Miller.svs"))  # pages are compressed


def test_tags_tell_headings_tables_figures_and_lists_in_reading_order():
    kinds = outline(reports.render(make_result(reasons=("pen",)), "pdf"))
    assert kinds[:2] == ["Document", "H1"] and {"H2", "Table", "TR", "TH", "TD", "Figure", "L", "LI", "LBody"} <= set(
        kinds
    )
    assert kinds.count("H1") == 1 and kinds.index("H1") < kinds.index("Figure") < kinds.index("Table")


@pytest.mark.parametrize(
    ("laid_out", "taken", "tried"),
    [
        ({1.0: (3, 0.9)}, 1.0, 1),
        ({1.0: (1, 0.1)}, 1.0, 1),
        ({1.0: (3, 0.05), 0.9: (3, 0.6), 0.8: (3, 0.9)}, 0.9, 3),
        ({1.0: (3, 0.5), 0.9: (2, 0.95), 0.8: (2, 0.9)}, 0.9, 3),
        ({1.0: (3, 0.5), 0.9: (2, 0.1), 0.8: (3, 0.4)}, 1.0, 3),
        ({1.0: (2, 0.1), 0.9: (1, 0.2)}, 0.9, 2),
        ({1.0: (3, 0.1), 0.9: (3, 0.1), 0.8: (3, 0.1)}, 1.0, 3),
    ],
)
def test_pages_are_few_and_the_last_is_not_nearly_empty(laid_out, taken, tried, monkeypatch):
    tries = []

    def built(_story, _content, _options, scale, _title):
        tries.append(scale)
        return str(scale).encode(), *laid_out[scale]

    monkeypatch.setattr(document, "_built", built)
    assert document.build_pdf(None, None, None) == str(taken).encode() and len(tries) == tried


def test_space_after_the_last_part_makes_no_empty_page():
    def story(writer, _scale):
        from reportlab.platypus import Spacer

        return [writer.text("all there is"), Spacer(1, 200 * document.MM), Spacer(1, 60 * document.MM)]

    content = describe(make_result(), None, ReportOptions())
    assert len(Pdf(document.build_pdf(story, content, ReportOptions())).pages) == 1


@pytest.mark.parametrize("code", language.LANGUAGES)
def test_a_report_without_reasons_has_two_pages_in_every_language(code):
    """In German the last tables once missed the second page by a millimetre: two pages half empty."""
    pdf = reports.render(CASES["clear"][0], "pdf", None, replace(FILED, language=code))
    assert len(Pdf(pdf).pages) == 2 and problems(pdf) == []


def test_twelve_reasons_have_three_pages():
    assert len(Pdf(reports.render(CASES["twelve reasons"][0], "pdf", None, FILED)).pages) == 3


@pytest.mark.parametrize("probabilities", [(0.9999994, 5e-7, 1e-7), (1.0, 0.0, 0.0), (0.9994, 0.0004, 0.0002)])
def test_the_pie_is_whole_however_sure_the_model_is(probabilities):
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is not installed")
    pdf = reports.render(make_result(cells="111 111", probabilities=probabilities), "pdf")
    command = ["pdftoppm", "-r", "72", "-l", "1", "-png", "-"]
    page = subprocess.run(command, input=pdf, capture_output=True, check=True).stdout
    pixels = np.asarray(Image.open(io.BytesIO(page)).convert("RGB")).astype(int)
    orange = (
        np.abs(pixels - rgb(class_colours(make_result().classes, "normal")["adenocarcinoma"])).sum(axis=-1) < 40
    ).sum()
    assert orange == pytest.approx(np.pi * (17 * 72 / 25.4) ** 2, rel=0.03)


# One content


def test_all_forms_tell_the_same_figures(scanned):
    path, result, _ = scanned
    options = replace(FILED, slide_file=path)
    content = describe(result, None, options)
    html = Page(reports.render(result, "html", None, options).decode()).words.replace("\u2002", " ")
    pdf = " ".join(text_of(reports.render(result, "pdf", None, options)).split())
    facts = json.loads(reports.render(result, "json", None, options))
    told = [
        content.call,
        content.call_sentence,
        content.confidence,
        content.written,
        content.case,
        content.review.status,
    ]
    told += [one.percent for one in content.probabilities] + [one.title for one in content.probabilities]
    told += [text for one in content.regions for text in (one.title, one.score, one.area, one.where)]
    told += [text for one in content.reasons for text in (one.title, one.explanation, one.what_to_do)]
    told += [figures.share(one.fraction) for one in content.tissue if one.fraction] + list(content.tissue_areas[:3])
    told += [text for section in content.sections for row in section.rows for text in row]
    told += [text for one in content.measures for text in (one.title, one.value, one.is_not)] + [MEASURES_NOTE]
    told += list(content.limits) + [value for _, value in content.digests.rows]
    for text in told:
        assert " ".join(text.split()) in html, text
        assert re.sub(r"\s", "", text) in re.sub(r"\s", "", pdf), text
    assert content.measures and [one["title"] for one in facts["measures"]["in_words"]] == [
        one.title for one in content.measures
    ]
    tables = {(row["name"], row["value"]) for section in facts["in_words"] for row in section["rows"]}
    wanted = [row for section in content.sections for row in section.rows]
    assert tables == set(wanted)
    assert [one["title"] for one in facts["regions"]] == [one.title for one in content.regions]
    assert facts["probabilities"] == dict(zip(result.classes, result.decision.probabilities, strict=True))
    assert (facts["call_in_words"], facts["confidence"]["in_words"]) == (content.call_sentence, content.confidence)


def test_the_tables_and_the_app_tell_the_same_figures(scanned):
    from app.viewer.pages.slide.findings import key_figures

    _, result, _ = scanned
    tiles = list(csv.DictReader(io.StringIO(reports.render(result, "csv").decode())))
    content = describe(result)
    by_kind = {one.title: one.tiles for one in content.tissue}
    calls = [words.class_title(tile["call"]) for tile in tiles]
    assert {title: calls.count(title) for title in ("Adenocarcinoma", "Normal")} == {
        title: by_kind[title] for title in ("Adenocarcinoma", "Normal")
    }
    [row] = csv.DictReader(io.StringIO(reports.cohort_files([SlideRow.of_result(result)])[0][1].decode()))
    assert [figures.percent(float(row[f"p_{name}"])) for name in result.classes] == [
        one.percent for one in content.probabilities
    ]
    known = dict(row for section in content.sections for row in section.rows)
    for name, value in key_figures(result):
        if name in ("Tissue", "Pixel size", "pulmoscope", "Model"):
            assert known[name] == value


@pytest.mark.parametrize("fmt", ["html", "json", "pdf"])
def test_a_failed_slide_has_a_report_that_says_that_it_says_nothing(fmt):
    content = reports.render_failure(failed_row(), fmt, FILED)
    text = text_of(content) if fmt == "pdf" else content.decode()
    text = " ".join(text.split())
    assert "mpp-missing" in text and "tells no pixel size" in text and "A-2026/117" in text and "S-9.svs" in text
    assert "neither that there is a tumour, nor that there is none" in text and "ward 3" not in text
    assert (fmt == "json") or ("For research use only" in text and "Name and signature" in text)


@pytest.mark.parametrize("code", language.LANGUAGES)
def test_json_of_every_kind_keeps_to_the_published_schema(tmp_path, code):
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    options = replace(FILED, language=code)
    documents = [json.loads(reports.render(result, "json", None, options)) for result, _ in CASES.values()]
    documents.append(
        json.loads(reports.render(make_result(bounds_px=(0, 0, 100, 100), qc={"entropy": float("nan")}), "json"))
    )
    documents.append(json.loads(reports.render_failure(failed_row(), "json", options)))
    documents.append(signed(tmp_path, "json", options))
    for one in documents:
        assert [error.message for error in check.iter_errors(one)] == []
    assert {one["status"] for one in documents} == {"done", "review", "failed"}
    broken = [
        {**documents[0], "call": None},
        {**documents[-2], "call": "normal"},
        {**documents[0], "schema_version": 1},
    ]
    broken += [{name: value for name, value in documents[0].items() if name != "regions"}]
    assert all(list(check.iter_errors(one)) for one in broken)


def signed(folder, fmt, options):
    store.save(make_result("signed"), folder)
    reviews = open_reviews(folder)
    path = store.result_path(folder, "signed")
    of = Case.of(store.load(path), store.committed_digests(path)["result_sha256"])
    anna = Person("Anna Reader")
    reviews.decide(of, Verdict.AGREE, anna, comment_text="as I see it")
    reviews.sign(of, anna, content_sha256=reviews.record("signed").final.content_sha256, screen={})
    content = reports.render(store.load(path), fmt, reviews.record("signed"), options)
    return json.loads(content) if fmt == "json" else content


def test_a_signed_report_is_archival_and_leaves_no_room_to_sign(tmp_path):
    pdf = signed(tmp_path, "pdf", FILED)
    text = text_of(pdf)
    assert problems(pdf) == [] and "Anna Reader" in text and "Name and signature" not in text
    assert b"Anna Reader" not in pdf


# Languages


def pseudo(text):
    return "".join(
        part if part.startswith("{") else re.sub(r"[A-Za-z]", "ж", part) for part in re.split(r"(\{\w+\})", text)
    )


class Everything(gettext.NullTranslations):
    """A language in which every text that passes `tell` has no Latin letter."""

    def gettext(self, message):
        return pseudo(message)

    def ngettext(self, one, many, count):
        return pseudo(one if count == 1 else many)


@pytest.fixture
def translated(monkeypatch):
    monkeypatch.setattr(language, "_catalog", lambda _code: Everything())


DATA = {
    *("pulmoscope", "svs", "slide", "openslide", "aperio", "lung", "litert", "int", "overlap", "numpy", "zarr", "UTC"),
    *("SHA", "Anna", "Reader", "signed", "November", "px", "mm", "mpp"),
}


def latin(html):
    """Words of Latin letters that a page shows, without what is no text of ours: names, digests, the card's words."""
    html = re.sub(r'<ul lang="en">.*?</ul>|<li lang="en">.*?</li>|<style>.*?</style>', "", html, flags=re.DOTALL)
    text = " ".join(Page(html).text) + " " + " ".join(v for n, v in Page(html).attributes if n == "alt")
    return set(re.findall(r"[A-Za-z]{2,}", re.sub(r"\b[0-9a-f]{64}\b", "", text))) - DATA


@pytest.mark.usefixtures("translated")
def test_no_text_of_a_report_goes_past_the_catalog(tmp_path):
    provenance = {
        "model": {"name": "lung", "intended_use": "", "limits": ["Card words."]},
        "started": "2026-11-22T20:31:05Z",
    }
    result = make_result(reasons=ALL_REASONS, provenance=provenance, synthetic=True)
    assert latin(reports.render(result, "html", None, FILED).decode()) == set()
    titles = ("objective_power", "compression", "quality", "reader", "colours_righted", "colour_profile")
    told = make_result(metadata=dict.fromkeys(titles, 1), provenance=provenance)
    assert latin(reports.render(told, "html", None, FILED).decode()) == set()
    assert (
        latin(signed(tmp_path, "html", FILED).decode())
        - {"as", "see", "it", "Research", "on", "tissue", "It", "assists", "person", "decides", "litert"}
        == set()
    )
    undetermined = make_result(call="undetermined", cells="uu uu", provenance=provenance)
    assert latin(reports.render(undetermined, "html", None, FILED).decode()) == set()
    failed = failed_row(slide_id="9", file="9", message="", error_code="")
    assert latin(reports.render_failure(failed, "html", FILED).decode()) == set()


def test_a_german_report_is_german_in_every_form():
    result = make_result("S-1", reasons=("pen", "low-margin"))
    options = replace(FILED, language="de")
    html, pdf = reports.render(result, "html", None, options).decode(), reports.render(result, "pdf", None, options)
    for text in (Page(html).words, " ".join(text_of(pdf).split())):
        assert (
            "Das Modell stuft diesen Schnitt als Adenokarzinom ein." in text and "29. November 2026, 11:05 UTC" in text
        )
        assert "Stiftmarkierungen auf dem Schnitt" in text and "0,499 µm/px" in text and "Nicht unterschrieben" in text
        assert "For research use" not in text
    assert '<html lang="de">' in html and b"/Lang (de)" in pdf and "Seite 1 von" in text_of(pdf)
    assert json.loads(reports.render(result, "json", None, options))["call"] == "adenocarcinoma"
    with pytest.raises(KeyError):
        reports.render(result, "html", None, replace(FILED, language="xx"))


# Pictures


def test_pictures_show_the_slide_where_they_say(scanned):
    path, result, pixels = scanned
    content = describe(result)
    taken = take_pictures(result, path, content.places, asked_here)
    assert taken.absence == "" and set(taken.fields) == set(content.places) and content.regions
    overview = np.asarray(Image.open(io.BytesIO(taken.overview)))
    assert overview.shape[1] / overview.shape[0] == pytest.approx(1200 / 600, rel=0.01)
    for (x, y), jpeg in taken.fields.items():
        seen = np.asarray(Image.open(io.BytesIO(jpeg)))
        middle = seen[seen.shape[0] // 2, seen.shape[1] // 2].astype(int)
        around = pixels[max(0, int(y) - 3) : int(y) + 3, max(0, int(x) - 3) : int(x) + 3].reshape(-1, 3)
        assert np.abs(around - middle).sum(axis=1).min() < 25


def test_a_file_that_is_not_the_slide_gives_no_picture(scanned, tmp_path):
    path, result, _ = scanned
    other = tmp_path / "one.png"
    Image.open(path).rotate(180).save(other)
    taken = take_pictures(result, other, [(100.0, 100.0)], asked_here)
    assert not taken.overview and not taken.fields and "not the slide that was run" in taken.absence
    for file, why in (
        (None, "was not at hand"),
        (other, "not the slide that was run"),
        (tmp_path / "gone", "could not be read"),
    ):
        text = Page(reports.render(result, "html", None, ReportOptions(slide_file=file)).decode()).words
        assert why in text and "The slide " not in text.split("Heatmap")[0]


def test_the_overview_is_of_the_scanned_part_alone(scanned):
    path, _, pixels = scanned
    with open_slide(path, mpp=2.0) as slide:
        told, body = report_views(slide, (600, 0, 600, 600), [])
    seen = np.asarray(Image.open(io.BytesIO(body[: told["overview"]]))).astype(int)
    assert seen.shape[0] == pytest.approx(seen.shape[1], abs=1)
    assert np.abs(seen[5, 5] - pixels[5, 605]).sum() < 25


def test_there_are_at_most_eight_regions_and_what_could_not_be_judged_is_among_them():
    many = make_result(cells=" ".join("0.0.0.0.0.0" if row % 2 else "uuuuuuuuuu." for row in range(6)))
    told = regions_told(many)
    assert len(told) == MOST_REGIONS and told[-1].code == "" and told[-1].score == ""
    assert [one.number for one in told] == list(range(1, MOST_REGIONS + 1))
    scores = [one.tumour for one in told if one.tumour is not None]
    assert scores == sorted(scores, reverse=True)


def test_places_are_told_in_mm_from_the_corner():
    one = regions_told(make_result(cells="... .0. ...", cell_px=1000.0, mpp=0.5))[0]
    assert one.place == (1500.0, 1500.0) and one.place_mm == (0.75, 0.75) and one.where == "x 0.8, y 0.8 mm"
    with speaking("de"):
        assert figures.place(0.84, 12.0) == "x 0,8, y 12,0 mm"


def test_real_slides_are_read_in_a_process_of_their_own(scanned):
    path, result, _ = scanned
    pdf = reports.render(result, "pdf", None, replace(FILED, slide_file=path))
    assert problems(pdf) == [] and outline(pdf).count("Figure") > 5
    assert CELLS and Path(path).exists()
