"""The pages as Streamlit runs them, without a browser: what they say, and that no error becomes a traceback."""

import gzip
import html
import json
import shutil
import time
from importlib import metadata

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from aggregate import store
from app.batch.run_log import RunLog
from app.ledger.prepare import prepare_output
from app.ledger.records import SlideRow, write_rows
from app.presentation import words
from app.presentation.measured import MEASURES_NOTE, measured
from app.viewer import site as viewer_site
from app.viewer.gate.visitors import THE_ONE
from app.viewer.pages.slide.findings import key_figures
from app.viewer.pages.theme import streamlit_options
from app.viewer.pages.worklist.feed import LIST_GRANT, Feed
from app.viewer.server import SCRIPT, security_headers
from app.viewer.site import Site
from classifier.model_folder.files import read_card
from classifier.model_folder.find import find_model
from tests.results import CLASSES, make_result
from wsi import __version__

NAN = float("nan")


@pytest.fixture
def results(tmp_path):
    called = make_result("called", reasons=("low-margin",), file="<b>evil</b>.svs")
    unknown = make_result(
        "unknown", call="undetermined", probabilities=(NAN,) * 3, reasons=("undetermined",), synthetic=True
    )
    for result in (called, unknown):
        store.save(result, tmp_path)
    rows = [
        SlideRow("called", "/gone/called.svs", "review", "adenocarcinoma"),
        SlideRow("unknown", "/gone/unknown.svs", "review", "undetermined"),
        SlideRow("broken", "/gone/b.svs", "failed", error_code="corrupt-slide", message="<script>x</script> broke"),
    ]
    write_rows(tmp_path / "slides.csv", rows, CLASSES)
    viewer_site.install(Site(tmp_path))
    return tmp_path


def page(**query):
    test = AppTest.from_file(str(SCRIPT), default_timeout=60)
    test.query_params.update(query)
    return test.run()


def said(test):
    """All text and HTML of a page."""
    elements = (*test.get("html"), *test.get("markdown"), *test.error, *test.info, *test.subheader, *test.caption)
    return " ".join(str(getattr(element, "value", None) or element.proto) for element in elements)


def charts(test):
    return len(test.get("vega_lite_chart")) + len(test.get("arrow_vega_lite_chart"))


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"page": "analyse"},
        {"page": "model"},
        {"page": "about"},
        {"page": "upload"},
        {"slide": "called"},
        {"slide": "nothing"},
        {"page": "?"},
    ],
)
def test_every_page_states_its_use_and_raises_nothing(results, query):
    test = page(**query)
    assert not test.exception
    assert words.RESEARCH_USE[:40] in said(test)


def test_the_list_holds_every_row(results):
    (element,) = page().get("bidi_component")
    told = json.loads(element.proto.json)
    site = viewer_site.current()
    assert site.signer.verify(told["feed"].rpartition("/")[2], time.time()) == LIST_GRANT
    rows = json.loads(gzip.decompress(Feed(site, site.batches).answer("", THE_ONE)))["rows"]
    assert {row["id"] for row in rows} == {"called", "unknown", "broken"}


def test_an_empty_folder_says_what_to_do(tmp_path):
    viewer_site.install(Site(tmp_path))
    (element,) = page().get("bidi_component")
    assert "pulmoscope run" in json.loads(element.proto.json)["empty"]


def test_a_called_slide_has_its_pie_reasons_and_figures(results):
    test = page(slide="called")
    text = said(test)
    assert charts(test) == 1
    for part in ("Adenocarcinoma", "91.2%", words.REASONS["low-margin"].explanation, "0.499", "lung-v1", "not at hand"):
        assert part in text
    assert "SYNTHETIC" not in text


def watching(path, shown):
    from app.viewer.pages.slide.page import _watch

    _watch(path, shown)


def test_a_result_that_is_written_anew_or_goes_is_told(results):
    path = results / "called.zarr"

    def told(shown):
        test = AppTest.from_function(watching, args=(path, shown)).run()
        assert not test.exception
        return [one.value for one in (*test.warning, *test.error)]

    now = store.stamp(path)
    assert told(now) == []
    assert "run again meanwhile" in told(now - 1)[0]
    shutil.rmtree(path)
    assert "gone from the results folder" in told(now)[0]


def test_a_failed_slide_leads_on_to_the_next(results):
    test = page(slide="broken")
    buttons = {button.key: button for button in test.button}
    assert not (buttons["previous-slide"].disabled and buttons["next-slide"].disabled)


def test_a_slide_that_is_there_and_does_not_open_is_told(results):
    (results / "damaged.svs").write_bytes(b"II*\0" + b"\0" * 400)
    store.save(make_result("damaged"), results)
    rows = [SlideRow("damaged", str(results / "damaged.svs"), "done", "normal"), SlideRow("called", "/gone", "done")]
    write_rows(results / "slides.csv", rows, CLASSES)
    (error,) = page(slide="damaged").error
    assert "the slide file could not be opened" in error.value
    assert error.value.replace("\\", "").split(":")[0] in ("corrupt-slide", "unsupported-format", "incomplete-slide")
    assert not page(slide="called").error


def test_an_undetermined_slide_has_no_pie_and_says_why(results):
    test = page(slide="unknown")
    text = said(test)
    assert charts(test) == 0
    for part in (words.CANNOT_TELL, html.escape(words.REASONS["undetermined"].explanation), "SYNTHETIC"):
        assert part in text


def test_a_failed_slide_shows_its_line_as_text(results):
    (error,) = page(slide="broken").error
    assert error.value.replace("\\", "") == "corrupt-slide: <script>x</script> broke"


@pytest.mark.parametrize("slide_id", ["nothing", "../called", "called/../called", "\0", "<script>"])
def test_an_unknown_slide_is_one_line(results, slide_id):
    (error,) = page(slide=slide_id).error
    assert "no slide of this name" in error.value and "script" not in error.value


def test_an_altered_result_is_one_line(results):
    target = next((results / "called.zarr" / "tiles" / "familiarity").rglob("0"))
    target.write_bytes(b"altered" + target.read_bytes())
    (error,) = page(slide="called").error
    assert "result-altered" in error.value.replace("\\", "")


def test_a_click_is_read_on_the_next_run(results):
    test = page(slide="called")
    test.session_state["slide-called"] = {"spot": {"x": 2.5 * 449, "y": 0.5 * 449, "view": "called"}}
    text = said(test.run())
    assert "Cell 3 across, 1 down" in text and "No tissue here" not in text


@pytest.mark.parametrize("spot", [{"x": "a", "y": 1, "view": "called"}, {"x": 1e99, "y": -1, "view": "called"}, {}, 7])
def test_a_forged_click_harms_nothing(results, spot):
    test = page(slide="called")
    test.session_state["slide-called"] = {"spot": spot}
    assert not test.run().exception


def test_key_figures_are_the_results_own():
    figures = dict(key_figures(make_result(qc={"tissue_mm2": 1.234})))
    assert figures["Tissue"] == "1.23 mm²" and figures["Slide size"] == "5,388 by 2,694 px"
    assert dict(key_figures(make_result(qc={}, provenance={})))["Model"] == "unknown"


def test_each_measure_is_told_with_what_it_is_not(results):
    text = html.unescape(said(page(slide="called")))
    told = measured(store.load(results / "called.zarr"))
    assert [one.code for one in told] == ["tumour_mm2", "tumour_share", "foci", "extent_mm", "edge_mm"]
    assert all(sentence in text for one in told for sentence in (one.title, one.value, one.is_not))
    assert MEASURES_NOTE in text
    assert MEASURES_NOTE not in html.unescape(said(page(slide="unknown")))  # no call: nothing to lean on


def test_streamlit_is_kept_private_and_local():
    options = streamlit_options("127.0.0.1", 8501)
    assert options["browser.gatherUsageStats"] is False and options["client.showErrorDetails"] == "none"
    assert options["server.address"] == "127.0.0.1" and "127.0.0.1" in options["server.allowedHosts"]


def test_the_policy_lets_nothing_in_from_elsewhere():
    policy = security_headers()["Content-Security-Policy"]
    assert "unsafe-eval" not in policy and "http" not in policy and "*" not in policy
    assert "script-src 'self' blob: 'sha256-" in policy and "frame-ancestors 'none'" in policy


def test_the_icon_is_ours_and_local():
    assert Image.open(SCRIPT.parent.parent / "component" / "icon.png").size == (64, 64)


def test_the_model_page_tells_card_figures_and_limits(results):
    text = said(page(page="model"))
    card = read_card(find_model("lung-v2"))
    accuracy = card.metrics["val"]["figures"]["accuracy"]
    figures = f"{accuracy['low']:.3f} to {accuracy['high']:.3f}"
    for part in (card.intended_use[:60], card.limits[0][:40], card.never_shown[0][:40], card.digest, figures):
        assert html.escape(part) in text
    test = page(page="model")
    test.selectbox(key="card").set_value("demo-synthetic")
    assert "SYNTHETIC" in said(test.run())


def test_the_about_page_tells_versions_licences_and_use(results):
    text = said(page(page="about"))
    for part in (__version__, "Apache-2.0", "streamlit", metadata.version("zarr"), "OpenSeadragon", "BSD-3-Clause"):
        assert part in text
    assert "see its package" not in text


def test_a_slide_that_is_being_run_has_a_page(results):
    prepare_output(results)
    log = RunLog(results, "r1")
    log.write("run-started", slides=1)
    log.write("slide-started", slide_id="coming")
    assert "being analysed" in said(page(slide="coming"))
    log.write("slide", slide_id="coming", fate="ran", status="done")
    assert "being analysed" not in said(page(slide="coming"))
