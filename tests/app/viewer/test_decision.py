"""The decision panel as Streamlit runs it, without a browser: what a press keeps, what a second person sees."""

import pytest
from streamlit.testing.v1 import AppTest

from aggregate import store
from app.ledger.records import SlideRow, write_rows
from app.review.people import Person, Role
from app.review.records import Case, ReadingName, Verdict
from app.viewer import site as viewer_site
from app.viewer.gate.visitors import Visitor
from app.viewer.server import SCRIPT
from app.viewer.site import Site
from tests.results import CLASSES, make_result

FIRST = ReadingName.FIRST


@pytest.fixture
def results(tmp_path):
    store.save(make_result("one"), tmp_path)
    write_rows(tmp_path / "slides.csv", [SlideRow("one", "/gone/one.svs", "done", "adenocarcinoma")], CLASSES)
    return tmp_path


@pytest.fixture
def site(results):
    viewer_site.install(Site(results))
    return viewer_site.current()


def case(results):
    digest = store.committed_digests(results / "one.zarr")["result_sha256"]
    return Case.of(store.load(results / "one.zarr"), digest)


def page(name="Anna Reader"):
    test = AppTest.from_file(str(SCRIPT), default_timeout=60)
    test.query_params["slide"] = "one"
    test.run()
    if name:
        test.text_input(key="name").input(name)
        test.button(key="name-said").click()
        test.run()
    return test


def said(test):
    elements = (*test.get("html"), *test.error, *test.caption)
    text = " ".join(str(getattr(element, "value", None) or element.proto) for element in elements)
    return text.replace("\\", "")  # what keeps Markdown from being read as such


def press(test, key):
    test.button(key=key).click()
    test.run()
    assert not test.exception
    return test


def kept(site):
    return site.reviews.record("one").reading(FIRST)


def test_a_page_says_that_nobody_decided(site):
    text = said(page(name=""))
    assert "unsigned: no person has decided on this result" in text
    assert page(name="").text_input(key="name").label == "Your name, to decide and to sign"


def test_what_is_pressed_without_a_name_waits_for_it(site):
    test = press(page(name=""), "decide-agree")
    assert "Tell your name, and it is kept" in said(test) and site.reviews.states() == {}
    test.text_input(key="name").input("Anna Reader")
    press(test, "name-said")
    assert [(one.verdict, one.by.name) for one in kept(site).decisions] == [(Verdict.AGREE, "Anna Reader")]


def test_agreeing_and_signing_takes_two_presses(site):
    test = page()
    test.query_params.update({"layer": "call", "opacity": "40", "x": "12.5"})
    test = press(test, "decide-agree")
    assert [(one.verdict, one.call, one.by.name) for one in kept(site).decisions] == [
        (Verdict.AGREE, "adenocarcinoma", "Anna Reader")
    ]
    assert "a person has decided, and has not signed" in said(test)
    test = press(test, "sign")
    signature = kept(site).signature
    assert signature.by == Person("Anna Reader") and signature.by.identity == "stated"
    assert '"layer":"call"' in signature.screen and '"x":"12.5"' in signature.screen
    assert "signed by Anna Reader (reviewer; name stated, not checked by a login) on" in said(test)
    assert not [button for button in test.button if button.key in ("sign", "decide-agree")]


def test_the_call_is_changed_with_a_comment(site):
    test = press(page(), "decide-change")
    assert site.reviews.states() == {}  # not before the other call is chosen
    assert [button.key for button in test.button if button.key.startswith("call-")] == [
        "call-normal", "call-squamous_cell_carcinoma", "call-other",
    ]  # fmt: skip
    press(test, "call-squamous_cell_carcinoma")
    test.text_area(key="comment-one").input("keratin pearls, <i>p40</i>")
    test.run()
    press(test, "sign")
    assert [(one.call, one.comment) for one in kept(site).decisions] == [
        ("squamous_cell_carcinoma", ""), ("squamous_cell_carcinoma", "keratin pearls, <i>p40</i>"),
    ]  # fmt: skip
    text = said(test)
    assert "Changed to Squamous cell carcinoma" in text and "&lt;i&gt;p40" in text and "<i>p40" not in text


def test_a_comment_and_the_signature_in_one_message_are_both_kept(site):
    """Who leaves the comment by pressing the button sends both at once."""
    test = press(page(), "decide-agree")
    test.text_area(key="comment-one").input("typical")
    press(test, "sign")
    assert kept(site).decision.comment == "typical" and kept(site).signature is not None


def test_who_was_slower_is_told_and_loses_nothing(site, results):
    test = page()
    site.reviews.decide(case(results), Verdict.CANNOT_TELL, Person("Bert"))
    press(test, "decide-agree")
    assert "Bert decided meanwhile" in said(test) and len(kept(site).decisions) == 1
    press(test, "decide-agree")
    assert [one.by.name for one in kept(site).decisions] == ["Bert", "Anna Reader"]


def test_what_was_signed_meanwhile_is_not_changed(site, results):
    test = page()
    site.reviews.decide(case(results), Verdict.CANNOT_TELL, Person("Bert"))
    signed = kept(site)
    site.reviews.sign(case(results), Person("Bert"), content_sha256=signed.content_sha256, screen={})
    press(test, "decide-agree")
    assert "Bert signed on" in said(test) and len(kept(site).decisions) == 1


def test_a_signed_slide_takes_an_addendum(site):
    test = press(press(page(), "decide-agree"), "sign")
    test.text_area(key="addendum-text").input("TTF-1 negative")
    test.selectbox(key="addendum-call").select("squamous_cell_carcinoma")
    press(test, "add-addendum")
    assert [(one.text, one.call) for one in kept(site).addenda] == [("TTF-1 negative", "squamous_cell_carcinoma")]
    assert "the call is now Squamous cell carcinoma: TTF-1 negative" in said(test)


def test_the_second_reader_sees_nothing_of_the_first(results):
    viewer_site.install(Site(results, second_reading=True))
    site = viewer_site.current()
    test = press(page(), "decide-change")
    press(test, "call-normal")
    test.text_area(key="comment-one").input("a scar")
    test.run()
    press(test, "sign")
    for unknown in (page(name=""), page("Bert")):
        text = said(unknown)
        assert "Anna" not in text and "a scar" not in text and "Changed to" not in text
    other = page("Bert")
    assert "hidden until you have signed" in said(other)
    press(press(other, "decide-agree"), "sign")
    text = said(other)
    assert "The two readings differ" in text and "a scar" in text and "Changed to Normal" in text
    press(press(other, "decide-agree"), "sign")
    assert site.reviews.record("one").final.name is ReadingName.CONSENSUS
    assert "signed by Bert" in said(other)


def test_a_reader_sees_and_has_no_button(site):
    test = page()
    test.session_state["person"] = Person("Rita", Role.READER)
    test.run()
    assert not [button for button in test.button if button.key in ("sign", "decide-agree")]
    assert "no person has decided" in said(test)
    press(press(page(), "decide-agree"), "sign")
    test.run()
    assert "signed by Anna Reader" in said(test) and not [one for one in test.button if one.key == "add-addendum"]


def test_a_comment_belongs_to_its_slide(site, results):
    store.save(make_result("two"), results)
    rows = [SlideRow(name, f"/gone/{name}.svs", "done", "adenocarcinoma") for name in ("one", "two")]
    write_rows(results / "slides.csv", rows, CLASSES)
    test = page()
    test.text_area(key="comment-one").input("of the first")
    test.run()
    test.query_params["slide"] = "two"
    test.run()
    assert test.text_area(key="comment-two").value == ""


def test_a_database_that_cannot_be_read_is_one_line(site, results):
    (results / "reviews.sqlite").write_bytes(b"no database" * 100)
    test = page()
    assert not test.exception and "reviews.sqlite cannot be used: file is not a database" in said(test)
    assert "Adenocarcinoma" in said(test)


def test_what_a_page_named_another_for_is_not_kept(site):
    test = page()
    test.session_state["person"] = Person("Bert")  # as if somebody else had sat down meanwhile
    press(test, "decide-agree")
    assert "this browser is not Anna Reader's any more, so nothing was kept" in said(test)
    assert site.reviews.states() == {}


def test_what_another_person_left_in_a_session_goes(site, monkeypatch):
    test = page()
    test.session_state["comment-one"] = "of the one before"
    monkeypatch.setattr(type(site.gate), "visitor", lambda self, visit: Visitor(Role.REVIEWER, "another"))
    test.run()
    assert "comment-one" not in test.session_state or test.session_state["comment-one"] == ""
    monkeypatch.setattr(type(site.gate), "visitor", lambda self, visit: None)
    test.run()
    assert "your login has ended" in said(test) and not test.button(key="go-list").disabled
