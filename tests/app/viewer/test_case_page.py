"""The pages of cases as Streamlit runs them, without a browser: what they say, decide, sign and lock."""

import html
import re

import pytest
from streamlit.testing.v1 import AppTest

from aggregate import store
from app.ledger.cases.members import note_members, read_members
from app.ledger.cases.rows import case_rows
from app.review.cases import case_to_decide
from app.review.proof import prove
from app.review.records import ReadingName, Verdict
from app.viewer import site as viewer_site
from app.viewer.server import SCRIPT
from app.viewer.site import Site
from tests.app.viewer.test_decision import press
from tests.app.viewer.test_router import said
from tests.cases import AD, made_cases, made_result, write_cohort


@pytest.fixture
def out(tmp_path):
    cases = made_cases()
    write_cohort(tmp_path, [cases[at] for at in (0, 2, 4)])
    viewer_site.install(Site(tmp_path))
    return tmp_path


def token(out, case):
    return next(one.token for one in read_members(out).values() if one.case == case)


def page(name="", **query):
    test = AppTest.from_file(str(SCRIPT), default_timeout=60)
    test.query_params.update(query)
    test.run()
    if name:
        test.text_input(key="name").input(name)
        test.button(key="name-said").click()
        test.run()
    assert not test.exception
    return test


def told(test):
    return html.unescape(said(test))


def test_the_list_has_every_case_and_the_way_to_it(out):
    text = told(page(page="cases"))
    assert text.count('data-testid="case-row"') == 3
    assert f'href="/?case={token(out, "26/0001")}"' in text and "Tumour on one slide alone" in text
    assert "Normal on the 2 of 3 slides that could be judged" in text


def test_what_is_signed_stands_below_what_is_not(out):
    """A case to review stood at the top of the list for good, signed or not."""

    def order():
        return re.findall(r'target="_self">(26/\d+)</a>', told(page(page="cases")))

    assert order() == ["26/0005", "26/0001", "26/0003"]  # no tumour called: a miss would cost most
    press(press(page("Anna Reader", case=token(out, "26/0005")), "decide-agree"), "sign")
    assert order() == ["26/0001", "26/0003", "26/0005"]
    store.save(made_result("26-0005-A", AD), out)
    assert order() == ["26/0001", "26/0003", "26/0005"] and "unsigned: a slide changed since" in told(
        page(page="cases")
    )
    press(press(page("Anna Reader", case=token(out, "26/0001")), "decide-agree"), "sign")
    assert order() == ["26/0003", "26/0005", "26/0001"]


def test_a_case_shows_its_slides_side_by_side_with_their_part_in_the_call(out):
    text = told(page(case=token(out, "26/0003")))
    assert text.count('data-testid="case-slide"') == 3 and "Case 26/0003" in text
    assert (
        '<a class="ps-origin" href="/?slide=26-0003-A"' in text and '<a class="ps-odd" href="/?slide=26-0003-C"' in text
    )
    assert "The call is that of slide 26-0003-A" in text and "Slides of one case are called different tumours" in text
    failed = told(page(case=token(out, "26/0005")))
    assert "No result: corrupt-slide" in failed and "A slide of the case has no result" in failed


@pytest.mark.parametrize("asked", ["~case-000000000000", "../etc", "26/0003", "<script>"])
def test_a_case_that_is_none_is_one_line(out, asked):
    text = told(page(case=asked))
    assert "There is no case of this address" in text and "<script>" not in said(page(case=asked))


def test_a_slide_tells_the_way_to_its_case(out):
    assert f'href="/?case={token(out, "26/0003")}"' in said(page(slide="26-0003-A"))


def test_reports_from_a_slide_s_page_tell_its_case(out, monkeypatch):
    from app.viewer.pages.slide import downloads

    asked = []
    monkeypatch.setattr(downloads, "_renderer", lambda *told: asked.append(told[-1].case) or (lambda: b""))
    page(slide="26-0003-A")
    assert set(asked) == {"26/0003"}


def test_a_case_is_decided_signed_and_locked(out):
    test = press(page("Anna Reader", case=token(out, "26/0003")), "decide-agree")
    press(test, "sign")
    [row] = [row for row in case_rows(out) if row.case == "26/0003"]
    case = case_to_decide(row)
    reviews = viewer_site.current().reviews
    reading = reviews.record(case.slide_id, case.result_sha256).reading(ReadingName.FIRST)
    assert (reading.decision.verdict, reading.call, reading.signature.by.name) == (Verdict.AGREE, AD, "Anna Reader")
    assert all(one.result_sha256 in reading.signature.screen for one in row.members)
    text = told(page("Anna Reader", case=row.token))
    assert "signed by Anna Reader" in text
    assert not [button for button in page("Anna Reader", case=row.token).button if button.key == "sign"]
    assert reviews.record("26-0003-A").readings == ()  # its slides are not signed by that
    proof = prove(out)
    assert (proof.problems, proof.records) == ([], 1)
    log = (out / "audit.jsonl").read_text()
    assert row.token in log and "26/0003" not in log and "26/0003" not in str((out / "reviews.sqlite").read_bytes())


def test_a_case_that_is_not_whole_says_so_and_is_signed_as_reports_see_it(out):
    """While a batch still ran the page told the case of the slides that were done, as if it had no others."""
    note_members(out, {"26-0003-D": ("26/0003", "D1")})
    name = token(out, "26/0003")
    text = told(page("Anna Reader", case=name))
    assert text.count('data-testid="case-slide"') == 4 and "No result: not-run" in text
    assert "was not run yet" in text and "A slide of the case has no result" in text
    assert "A slide of the case has no result" in told(page(page="cases"))
    press(press(page("Anna Reader", case=name), "decide-agree"), "sign")
    [case] = [case_to_decide(row) for row in case_rows(out) if row.case == "26/0003"]
    kept = viewer_site.current().reviews.record(case.slide_id, case.result_sha256)
    assert kept.final is not None and kept.final.signature is not None


def test_a_slide_that_is_run_anew_opens_the_case_again(out):
    name = token(out, "26/0001")
    press(press(page("Anna Reader", case=name), "decide-agree"), "sign")
    store.save(made_result("26-0001-B", AD), out)
    text = told(page("Anna Reader", case=name))
    assert "unsigned: no person has decided" in text and "An earlier result" in text
