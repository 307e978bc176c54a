"""`verify` tells a signed record that was changed, removed or added in the database, and cries no wolf after a kill."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from aggregate import store
from app.cli import main
from app.ledger.audit import AUDIT, AuditLog
from app.ledger.locks import prepare_locks
from app.ledger.records import SlideRow, write_rows
from app.review import reviews as reviews_module
from app.review.proof import prove
from app.review.records import Shape, Verdict
from app.review.reviews import open_reviews
from tests.app.review.conftest import ANNA, BERT, case
from tests.conftest import REPOSITORY
from tests.results import CLASSES, make_result

SQUARE = [[(10, 10), (30, 10), (30, 30), (10, 30)]]
ROOT_TABLES = ("decisions", "regions", "seals", "signatures", "addenda")


def sign(reviews, of, by=ANNA):
    reviews.decide(of, Verdict.AGREE, by)
    reviews.add_region(of, by, Shape.POLYGON, SQUARE, class_name="Tumour")
    seen = reviews.record(of.slide_id).final.content_sha256
    return reviews.sign(of, by, content_sha256=seen, screen={"layer": "call"})


@pytest.fixture
def signed(reviews):
    """Three slides: one signed, one signed with an addendum, one decided only."""
    sign(reviews, case("one"))
    sign(reviews, case("two"))
    reviews.add_addendum(case("two"), BERT, "p40 positive", call="squamous_cell_carcinoma")
    reviews.decide(case("three"), Verdict.CANNOT_TELL, BERT)
    return reviews


def change(reviews, *statements):
    """As somebody does it who may write the database and knows how: the rules are put out of force, then back."""
    with reviews.database.writing() as connection:
        if connection.dialect.name == "postgresql":
            for table in ROOT_TABLES:
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        else:
            rules = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
            for name, _ in rules:
                connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0
        if connection.dialect.name == "postgresql":
            for table in ROOT_TABLES:
                connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
        else:
            for _, sql in rules:
                connection.execute(text(sql))


def test_what_was_signed_and_left_alone_is_whole(signed, tmp_path, address):
    proof = prove(tmp_path, address)
    assert (proof.problems, proof.notes, proof.records) == ([], [], 3)


FORGERIES = {
    "UPDATE decisions SET call = 'normal' WHERE slide_id = 'one'": "first reading of one, signed by Anna Reader",
    "UPDATE decisions SET comment = 'nothing seen' WHERE slide_id = 'two'": "first reading of two",
    "UPDATE decisions SET at = '2020-01-01T00:00:00.000+00:00' WHERE slide_id = 'two'": "first reading of two",
    "UPDATE regions SET rings = '[[[0,0],[9,0],[9,9]]]' WHERE slide_id = 'one'": "first reading of one",
    "DELETE FROM regions WHERE slide_id = 'one'": "first reading of one",
    "UPDATE signatures SET reviewer = 'Somebody Else' WHERE slide_id = 'one'": "the signature is not as it was made",
    "UPDATE signatures SET at = '2020-01-01T00:00:00.000+00:00' WHERE slide_id = 'one'": "not as it was made",
    "UPDATE signatures SET slide_id = 'three' WHERE slide_id = 'one'": "not as it was made",
    "UPDATE signatures SET model_sha256 = slide_sha256 WHERE slide_id = 'one'": "not as it was made",
    "UPDATE signatures SET screen = '{}' WHERE slide_id = 'one'": "what was on the screen is not",
    "UPDATE addenda SET text = 'p40 negative'": "addendum of Bert Reviewer to two is not as it was signed",
    "UPDATE addenda SET call = ''": "addendum of Bert Reviewer to two",
    "DELETE FROM addenda": "the addendum of two was removed",
    "UPDATE seals SET previous = digest WHERE kind = 'addendum'": "does not follow",
    "INSERT INTO regions (id, slide_id, result_sha256, reading, region_id, version, shape, rings, class, comment, "
    "removed, reviewer, role, identity, subject, at) SELECT 77, slide_id, result_sha256, reading, 'more', 1, shape, "
    "rings, class, comment, removed, reviewer, role, identity, subject, at FROM regions WHERE slide_id = 'one'": "one",
    "UPDATE decisions SET version = 0 WHERE slide_id = 'one'": "first reading of one",
}


@pytest.mark.parametrize("statement", FORGERIES)
def test_a_record_that_was_changed_is_told(signed, tmp_path, address, statement):
    change(signed, statement)
    problems = prove(tmp_path, address).problems
    assert problems and any(FORGERIES[statement] in problem for problem in problems)


def test_a_record_that_was_removed_with_all_its_traces_is_told(signed, tmp_path, address):
    change(signed, "DELETE FROM addenda", "DELETE FROM seals WHERE kind = 'addendum'")
    assert any("a signed record of two was removed" in line for line in prove(tmp_path, address).problems)


def test_a_record_that_was_added_with_right_digests_is_told(signed, tmp_path, address, monkeypatch):
    """Somebody who knows this program writes a whole record of their own, past the log."""
    monkeypatch.setattr(
        reviews_module, "AuditLog", lambda *words: type("Silent", (), {"record": lambda *a, **k: None})()
    )
    sign(signed, case("four"), BERT)
    assert any("a signed record of four was added" in line for line in prove(tmp_path, address).problems)


def test_a_whole_database_put_in_the_place_of_another_is_told(signed, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    sign(open_reviews(other), case("one"), BERT)
    if (tmp_path / "reviews.sqlite").exists():
        (other / "reviews.sqlite").replace(tmp_path / "reviews.sqlite")
        assert len([line for line in prove(tmp_path).problems if "was removed" in line or "was added" in line]) == 4


def test_a_database_that_is_gone_is_told(signed, tmp_path, address):
    if address is None:
        (tmp_path / "reviews.sqlite").unlink()
    [problem] = prove(tmp_path, None).problems
    assert "3 signed records that the audit log knows are not there" in problem and "--database" in problem


def test_rules_that_were_put_out_of_force_are_told(signed, tmp_path, address):
    with signed.database.writing() as connection:
        if address is None:
            connection.execute(text("DROP TRIGGER signatures_no_update"))
        else:
            connection.execute(text("ALTER TABLE signatures DISABLE TRIGGER signatures_no_change"))
    [problem] = prove(tmp_path, address).problems
    assert "1 of the rules that keep records from being changed are gone" in problem


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "reviews.sqlite").write_bytes(b"nothing" * 500)
    proof = prove(tmp_path)
    assert "not a database" in proof.problems[0] and proof.records == 0


def test_a_program_that_ended_while_it_signed_looks_like_no_forgery(signed, tmp_path, address):
    prepare_locks(tmp_path)
    AuditLog(tmp_path, "Anna", "run").record("sealing", "three", {"record_sha256": "ab" * 32})
    proof = prove(tmp_path, address)
    assert proof.problems == [] and "three was about to be signed" in proof.notes[0]


def test_a_program_that_ended_before_it_wrote_down_that_it_had_signed_is_no_fault_either(tmp_path):
    sign(open_reviews(tmp_path), case("one"))
    log = tmp_path / AUDIT
    *before, last = log.read_bytes().splitlines(keepends=True)
    assert json.loads(last)["event"] == "signed"
    log.write_bytes(b"".join(before))
    proof = prove(tmp_path)
    assert (proof.problems, proof.notes, proof.records) == ([], [], 1)


KILLED = """
import sys
from pathlib import Path
from app.review.records import Verdict
from app.review.reviews import open_reviews
from tests.app.review.conftest import ANNA, case
reviews = open_reviews(Path(sys.argv[1]))
for number in range(10_000):
    of = case(f"slide-{number}")
    reviews.decide(of, Verdict.AGREE, ANNA)
    reviews.sign(of, ANNA, content_sha256=reviews.record(of.slide_id).final.content_sha256, screen={})
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_whole_records(tmp_path):
    for after in (1, 3, 7, 12):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED.replace("slide-", f"{after}-"), str(tmp_path)],
            cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        told = [process.stdout.readline() for _ in range(after)][-1]
        time.sleep(0.003 * after)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        states = open_reviews(tmp_path).states()
        assert states[f"{after}-{int(told)}"].status == "signed"  # what was told as signed is signed
        proof = prove(tmp_path)
        assert proof.problems == [] and proof.records >= after


@pytest.fixture
def output(tmp_path):
    """The output of a run with one result that verifies."""
    prepare_locks(tmp_path)
    log = AuditLog(tmp_path, "lab", "run-1")
    result = make_result("one")
    store.save(result, tmp_path, announce=lambda digests: log.record("run", "one", digests))
    write_rows(tmp_path / "slides.csv", [SlideRow.of_result(result)], CLASSES)
    return tmp_path


def verified(output, *options):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), pytest.raises(SystemExit) as ended:
        main(["verify", str(output), *options])
    return ended.value.code, told.getvalue()


def test_verify_tells_of_signed_records(output):
    assert verified(output)[0] == 0 and "signed" not in verified(output)[1]
    reviews = open_reviews(output)
    sign(reviews, case("one"))
    code, told = verified(output)
    assert code == 0 and "1 signed records: whole and unaltered" in told
    change(reviews, "UPDATE decisions SET call = 'normal'")
    code, told = verified(output)
    assert code == 1 and "reviews.sqlite: the first reading of one, signed by Anna Reader on" in told
    assert "1 signed records: not as they were signed" in told
    facts = json.loads(verified(output, "--json")[1])
    assert facts["signed"] == 1 and "the decision or its regions were changed since" in facts["reviews"][0]


def test_verify_reads_postgresql_and_shows_no_password(output, new_database, monkeypatch):
    address = new_database.replace("pulmo@", "pulmo:the-password@")
    sign(open_reviews(output, address), case("one"))
    assert verified(output, "--database", address)[0] == 0
    monkeypatch.setenv("PULMOSCOPE_DATABASE", address)
    assert "1 signed records: whole" in verified(output)[1]
    change(open_reviews(output), "DELETE FROM signatures")
    code, told = verified(output)
    assert code == 1 and "the signature of one was removed" in told and "the-password" not in told


def test_the_log_of_a_run_means_the_same_with_signatures_in_it(output):
    """A signature is no end of a slide: a failed one stays failed."""
    log = AuditLog(output, "lab", "run-2")
    log.record("failed", "broken", {"error_code": "corrupt-slide"})
    rows = [SlideRow.of_result(make_result("one")), SlideRow("broken", "b.svs", "failed", error_code="corrupt-slide")]
    write_rows(output / "slides.csv", rows, CLASSES)
    log.record("signed", "broken", {"record_sha256": "ab" * 32})
    assert "failed by" not in verified(output)[1]
