"""Reports: every figure is the store's, and no text from outside gets further than being shown."""

import base64
import csv
import io
import json
import math
import re
import shutil
import subprocess
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import reports
from app.ledger.records import SlideRow, read_rows
from app.presentation import figures, words
from app.reports.names import report_stem
from tests.results import CLASSES, make_result
from wsi.errors import OutputUnwritableError, StoreError, UsageError

VOID = {"meta", "img", "br", "link", "input", "hr", "path", "line", "rect"}
HOSTILE = '<script>alert("1")</script>=cmd|\u202e\x00\x1b[2J${{7*7}}{{7*7}}'


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on a tag that is closed out of turn."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text, self._open = [], [], [], []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def html_of(result):
    return reports.render(result, "html").decode("utf-8")


def json_of(result):
    return json.loads(reports.render(result, "json"))


def tile_rows(result):
    return list(csv.DictReader(io.StringIO(reports.render(result, "csv").decode("utf-8"))))


def pdf_text(result):
    """What the PDF shows, by Poppler; its pages are apart by form feeds."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    pdf = reports.render(result, "pdf")
    return subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()


# The page


def test_page_says_call_confidence_and_every_probability():
    result = make_result("S26-0012")
    text = Page(html_of(result)).words
    assert "S26-0012" in text and "The model calls this slide adenocarcinoma." in text
    assert words.confidence_in_words(result.decision) in text
    for title, percent in (("Adenocarcinoma", "91.2%"), ("Normal", "7.0%"), ("Squamous cell carcinoma", "1.8%")):
        assert f"{percent} {title}" in text.replace("\u2002", " ")


def test_page_leaves_technical_metadata_to_the_json_report():
    result = make_result(metadata={"vendor": "aperio", "objective_power": 20.0, "level_count": 3, "mpp_x": 0.499})
    text = Page(html_of(result)).words
    assert "Vendor aperio" in text and "Objective power 20.0" in text and "Level count" not in text
    assert json_of(result)["slide"]["metadata"] == dict(result.slide.metadata)


def test_page_carries_the_research_statement_at_top_and_bottom():
    text = Page(html_of(make_result())).words
    assert text.count(words.RESEARCH_USE) == 2
    assert "diagnos" not in text.lower()


def test_page_needs_nothing_from_outside():
    html = html_of(make_result(reasons=("pen",), synthetic=True))
    page = Page(html)
    addresses = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action", "srcset")]
    assert addresses and all(value.startswith("data:image/png;base64,") for value in addresses)
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"|data:image/png;base64,[^"]+', "", html)
    assert not re.search(r"https?:|//\w|url\(|@import", without_namespaces)
    assert "script" not in page.tags and "link" not in page.tags


def test_page_shows_figures_of_the_result():
    result = make_result()
    text = Page(html_of(result)).words
    assert f"Tissue {figures.area(result.qc['tissue_mm2'])}" in text
    assert "Tiles 49" in text and "Tiles that took part in the call 43" in text
    assert "0.499 µm/px, stated by the slide file" in text
    assert "lung-v1 1.0.0" in text and "3,840 tiles of 466 source groups" in text
    assert "22 November 2026, 20:31 UTC" in text
    for digest in (result.slide.sha256, "c0" * 32, "ab" * 32):
        assert digest in text


@pytest.mark.parametrize("qc", [{}, {"tiles": 3.0}, {"tissue_mm2": math.nan}])
def test_page_shows_what_is_there(qc):
    text = Page(html_of(make_result(qc=qc, provenance={}))).words
    assert "nan" not in text.lower().split() and "None" not in text
    assert ("Tiles 3" in text) == ("tiles" in qc)


def test_page_gives_each_reason_in_plain_words():
    text = Page(html_of(make_result(reasons=tuple(words.REASONS)))).words
    for reason in words.REASONS.values():
        assert reason.title in text and reason.explanation in text and reason.what_to_do in text


def test_undetermined_page_shows_no_pie_and_no_probability():
    html = html_of(make_result(call="undetermined", reasons=("undetermined",), probabilities=(0.555, 0.333, 0.112)))
    text = Page(html).words
    assert "Cannot tell" in text
    assert "Pie chart" not in html and "56%" not in text and "33%" not in text


def test_undetermined_without_any_vote():
    nan = math.nan
    result = make_result(call="undetermined", reasons=("undetermined",), probabilities=(nan,) * 3, cells="uuu uuu")
    for fmt in reports.FORMATS:
        assert reports.render(result, fmt)
    assert json_of(result)["probabilities"] == dict.fromkeys(CLASSES)
    assert json_of(result)["confidence"]["value"] is None


@pytest.mark.parametrize(("slide", "model"), [(True, False), (False, True), (False, False)])
def test_synthetic_is_called_synthetic(slide, model):
    provenance = {"model": {"name": "m", "synthetic": model}}
    result = make_result(synthetic=slide, provenance=provenance)
    assert ("SYNTHETIC" in Page(html_of(result)).words) == (slide or model)


def test_a_slide_without_tiles_still_has_reports():
    result = make_result(cells="... ...")
    for fmt in reports.FORMATS:
        assert reports.render(result, fmt)


# Hostile text


def hostile_result():
    return make_result(
        HOSTILE.replace("/", "-"),
        classes=("=1+1<b>", "normal", f"x{HOSTILE}"),
        call="=1+1<b>",
        file=HOSTILE,
        mpp_source=HOSTILE,
        metadata={HOSTILE: HOSTILE},
        reasons=(HOSTILE,),
        provenance={
            "pulmoscope": HOSTILE,
            "model": {
                "name": HOSTILE,
                "version": HOSTILE,
                "sha256": HOSTILE,
                "limits": [HOSTILE],
                "training": {"tiles": HOSTILE},
            },
            "config": {HOSTILE: HOSTILE},
            "libraries": {HOSTILE: HOSTILE},
            "started": HOSTILE,
            "tile": {"overlap": 0},
        },
    )


def test_hostile_text_is_text_on_the_page():
    html = html_of(hostile_result())
    page = Page(html)
    assert "script" not in page.tags and "b" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert not set("\u202e\x00\x1b") & set(html)
    assert '<script>alert("1")' in page.words and "{{7*7}}" in page.words


def test_hostile_text_is_text_in_the_pdf():
    text = pdf_text(hostile_result())
    assert "<script>alert" in text and "\u202e" not in text


def test_hostile_text_is_no_formula_in_the_tables(tmp_path):
    reports.write_cohort([hostile_result()], tmp_path)
    lines = [
        *csv.reader(io.StringIO(reports.render(hostile_result(), "csv").decode())),
        *csv.reader(io.StringIO((tmp_path / "cohort.csv").read_text())),
    ]
    cells = [cell for line in lines for cell in line]
    assert any(cell.startswith("'=1+1") for cell in cells)
    assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in cells)
    assert not any(cell.startswith("-") and not re.fullmatch(r"-?[\d.e-]+", cell) for cell in cells)


def test_json_and_geojson_hold_no_raw_mark():
    for fmt in ("json", "geojson"):
        content = reports.render(hostile_result(), fmt)
        content.decode("ascii")
        json.loads(content)
        assert not any(byte < 0x20 and byte != 0x0A for byte in content)


def test_very_long_text_fits_on_paper():
    long = "word " * 4000 + "x" * 4000
    result = make_result(
        classes=[f"{i} {long}" for i in range(24)],
        probabilities=[1 / 24] * 24,
        background=f"1 {long}",
        call=f"0 {long}",
        metadata={f"{i} {long}": long for i in range(20)},
        reasons=[f"{i} {long}" for i in range(10)],
        provenance={"model": {"limits": [long] * 5, "never_shown": [long] * 5, "intended_use": long}},
    )
    assert reports.render(result, "pdf").startswith(b"%PDF-")
    assert reports.render(result, "html")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", "\u200b=1", "＝1"])  # noqa: RUF001
def test_no_cell_of_a_csv_is_a_formula(text, tmp_path):
    result = make_result("x", classes=(text, "normal"), probabilities=(0.9, 0.1), call=text, file=text, cells="0")
    table, _ = reports.write_cohort([replace(result, slide_id=text)], tmp_path)
    for content in (reports.render(result, "csv").decode(), table.read_bytes().decode()):
        cells = [cell for line in csv.reader(io.StringIO(content, newline="")) for cell in line]
        starts = ("=", "+", "-", "@", "\t", "\r", "＝")  # noqa: RUF001
        assert not [cell for cell in cells if cell.lstrip(" \u200b").startswith(starts)]
    assert [row.slide_id for row in read_rows(table)] == [text]  # guarded once, not twice


# Programs' formats


def test_json_equals_the_result():
    result = make_result(reasons=("pen",))
    report = json_of(result)
    assert report["schema_version"] == 2 and report["status"] == "review" and report["call"] == "adenocarcinoma"
    assert report["probabilities"] == dict(zip(CLASSES, result.decision.probabilities, strict=True))
    assert report["confidence"]["value"] == result.decision.confidence
    assert report["qc"] == result.qc and report["provenance"] == result.provenance.to_dict()
    assert report["slide"]["size_px"] == list(result.slide.size_px) and report["slide"]["mpp"] == 0.499
    assert [reason["code"] for reason in report["review_reasons"]] == ["pen"]
    assert report["heatmap"]["shape"] == list(result.heatmap.call.shape)


def test_json_turns_what_is_no_number_to_null():
    odd = {"a": np.float32(math.nan), "b": [math.inf, np.int64(3)], "c": np.array([1.5]), "d": {1: (None, True)}}
    report = json_of(make_result(qc={"entropy": math.nan}, provenance={"config": odd}))
    assert report["qc"] == {"entropy": None}
    assert report["provenance"]["config"] == {"a": None, "b": [None, 3], "c": [1.5], "d": {"1": [None, True]}}


def test_csv_brings_every_tile_back_exactly():
    result = make_result(cells="01u b2.")
    rows = tile_rows(result)
    assert [(int(row["x_px"]), int(row["y_px"])) for row in rows] == [tuple(xy) for xy in result.tiles.xy.tolist()]
    probabilities = np.array([[row[f"p_{name}"] for name in CLASSES] for row in rows], np.float32)
    assert np.array_equal(probabilities, result.tiles.probabilities)
    assert np.array_equal(np.array([row["familiarity"] for row in rows], np.float32), result.tiles.familiarity)
    assert [row["votes"] for row in rows] == ["1", "1", "0", "0", "1"]
    assert [row["quality"] for row in rows] == ["good", "good", "good", "blur", "good"]
    assert [row["call"] for row in rows] == [
        "adenocarcinoma",
        "normal",
        "not-recognised",
        "poor-quality",
        "squamous_cell_carcinoma",
    ]


@pytest.mark.parametrize(("overlap", "cells"), [(0.0, 1), (0.5, 2), (2 / 3, 3), (0.75, 4)])
def test_a_tile_is_as_many_cells_wide_as_its_overlap_says(overlap, cells):
    result = make_result(cell_px=100.5, provenance={"tile": {"overlap": overlap}})
    assert result.tile_side_px == 100.5 * cells
    assert {float(row["side_px"]) for row in tile_rows(result)} == {100.5 * cells}


def test_pdf_says_what_the_page_says():
    result = make_result("S26-0012", reasons=("mixed-types",))
    text = " ".join(pdf_text(result).split())
    assert "Adenocarcinoma" in text and "S26-0012" in text and "0.499 µm/px" in text
    assert "91.2%, 84 percentage points ahead of the next" in text
    assert words.REASONS["mixed-types"].title in text and result.slide.sha256 in text
    pages = [page for page in pdf_text(result).split("\f") if page.strip()]
    assert len(pages) == 2 and all("For research use only." in page for page in pages)


NAMES = [
    "檔案 病理 12",
    "日本語カナ ひらがな",
    "한국어 슬라이드",
    "Опухоль лёгкого Ž λ ő",
    "فحص الرئة 7",
    "שלום",
    "żółć ǖ ≥ ←",
]


@pytest.mark.parametrize("name", NAMES)
def test_pdf_shows_names_in_the_scripts_of_the_world(name):
    text = pdf_text(make_result(name, file=f"{name}.svs"))
    assert "?" not in text.split("PROBABILITIES")[0] and "\\u" not in text
    letters = set(unicodedata.normalize("NFKC", text))
    assert {mark for mark in name if mark.isalnum()} <= letters


@pytest.mark.parametrize(
    "result", [make_result("plain Ä"), make_result("檔案 שלום", call="腺癌", classes=("腺癌", "normal", "سرطان"))]
)
def test_pdf_embeds_all_fonts_that_it_uses(result):
    if shutil.which("pdffonts") is None:
        pytest.skip("pdffonts is not installed")
    pdf = reports.render(result, "pdf")
    told = subprocess.run(["pdffonts", "-"], input=pdf, capture_output=True, check=True, text=False).stdout.decode()
    fonts = {line.split()[0].partition("+")[2]: line.split()[-5] for line in told.splitlines()[2:]}
    assert {"BitstreamVeraSans-Roman", "BitstreamVeraSans-Bold", "DejaVuSans"} <= fonts.keys()
    assert ("DroidSansFallback" in fonts) == (result.slide_id != "plain Ä")
    assert set(fonts.values()) == {"yes"}


def test_pdf_counts_its_pages():
    pages = [page for page in pdf_text(make_result()).split("\f") if page.strip()]
    assert all(f"page {number} of {len(pages)}" in page for number, page in enumerate(pages, 1))


def test_pdf_has_no_page_that_is_nearly_empty():
    """The last page holds more than the tables' rest: at least 25 lines besides its foot."""
    for result in (make_result(), make_result(reasons=tuple(words.REASONS)[:12]), make_result("S" * 60)):
        last = [page for page in pdf_text(result).split("\f") if page.strip()][-1]
        assert len([line for line in last.splitlines() if line.strip()]) >= 25


def test_pdf_tells_a_letter_that_no_font_has_by_its_number():
    text = pdf_text(make_result("स्लाइड 𓀀 x"))
    assert r"\u0938" in text and r"\u13000" in text and "????" not in text


def test_the_same_result_gives_the_same_bytes():
    for fmt in reports.FORMATS:
        for name in ("plain", "檔案 سرطان"):
            assert reports.render(make_result(name), fmt) == reports.render(make_result(name), fmt)


# Files


def test_reports_are_named_after_the_slide(tmp_path):
    written = reports.write_report(make_result("S26 12"), tmp_path / "new", ("html", "json"))
    assert written == [tmp_path / "new" / "S26 12.html", tmp_path / "new" / "S26 12.json"]
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"S26 12.html", "S26 12.json"}


def test_formats_are_those_of_the_command_line():
    assert set(reports.FORMATS) == {"html", "pdf", "json", "csv", "geojson"} == set(reports.MEDIA_TYPES)
    with pytest.raises(UsageError, match="choose from html"):
        reports.render(make_result(), "docx")


@pytest.mark.parametrize("slide_id", ["../up", "a/b", "a\\b", "..", "", "nul\0"])
def test_a_slide_id_never_leads_out_of_the_folder(tmp_path, slide_id):
    with pytest.raises(StoreError):
        reports.write_report(make_result(slide_id), tmp_path, ("json",))
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritableError, match="cannot write"):
        reports.write_report(make_result(), tmp_path / "file", ("json",))
    with pytest.raises(OutputUnwritableError, match="cannot write"):
        reports.write_cohort([make_result()], tmp_path / "file")


# The cohort


def cohort():
    return [
        make_result("a fine one"),
        make_result("b?look", reasons=("pen",), probabilities=(0.4, 0.35, 0.25)),
        SlideRow("c", "c.svs", "failed", error_code="mpp-missing", message="c.svs tells no pixel size"),
        make_result("d", call="undetermined", reasons=("undetermined",), probabilities=(0.4, 0.35, 0.25)),
    ]


def test_cohort_csv_has_one_row_a_slide_with_its_figures(tmp_path):
    table, _ = reports.write_cohort(cohort(), tmp_path)
    rows = {row.slide_id: row for row in read_rows(table)}
    assert len(rows) == 4 and rows["c"].error_code == "mpp-missing"
    assert rows["a fine one"].probabilities == dict(zip(CLASSES, (0.9123, 0.0702, 0.0175), strict=True))
    assert rows["b?look"].status == "review" and rows["b?look"].review_reasons == ("pen",)
    assert rows["a fine one"].tiles == 49 and rows["a fine one"].seconds == 12.4


def test_cohort_page_links_to_each_report_and_shows_what_to_look_at_first(tmp_path):
    _, html = reports.write_cohort(cohort(), tmp_path, ("html", "pdf"))
    page = Page(html.read_text(encoding="utf-8"))
    links = [value for name, value in page.attributes if name == "href"]
    ids = ("b%3Flook", "d", "c", "a%20fine%20one")
    assert links == [f"{name}.{form}" for name in ids for form in ("html", "pdf")]
    assert "1 done, 2 review, 1 failed" in page.words
    assert "mpp-missing: c.svs tells no pixel size" in page.words
    assert page.words.count(words.RESEARCH_USE) == 2


def test_slides_called_like_the_tables_keep_their_reports_and_the_tables(tmp_path):
    ids = ["cohort", "slides", "Cohort", "cohort.slide", "SLIDES.Slide.slide", "plain"]
    written = [path for id in ids for path in reports.write_report(make_result(id), tmp_path, ("csv", "html"))]
    kept = {path: path.read_bytes() for path in written}
    tables = reports.write_cohort([make_result(id) for id in ids], tmp_path, ("csv", "html"))
    names = [path.name.casefold() for path in written]
    assert not set(names) & {"cohort.csv", "cohort.html", "slides.csv"} and not set(written) & set(tables)
    assert {path: path.read_bytes() for path in written} == kept and "plain.csv" in names
    page = Page(tables[1].read_text(encoding="utf-8"))
    links = [unquote(value) for name, value in page.attributes if name == "href"]
    assert sorted(links) == sorted(path.name for path in written)


@given(st.text(max_size=12) | st.from_regex(r"\A(cohort|slides)(\.slide){0,3}\Z"))
def test_no_two_ids_share_a_name_and_none_has_a_tables(slide_id):
    try:
        stem = report_stem(slide_id)
    except StoreError:
        return
    assert stem.casefold() not in ("cohort", "slides")
    assert stem == slide_id or report_stem(stem) != stem  # no id is called as another's reports are


def test_cohort_page_gives_no_probabilities_without_a_call(tmp_path):
    _, html = reports.write_cohort(cohort()[3:], tmp_path)
    assert "40%" not in html.read_text(encoding="utf-8")


def test_the_heatmap_in_the_page_is_a_picture():
    html = html_of(make_result())
    png = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", html).group(1))
    assert png.startswith(b"\x89PNG")
