"""The audit log: each line holds the one before it, so whatever is changed, moved or taken out shows."""

import hashlib
import hmac
import json
import multiprocessing
import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from app.ledger import audit
from app.ledger.audit import AUDIT, KEY_VARIABLE, AuditLog, Vouched, audit_key, check_chain, current_user
from app.ledger.locks import prepare_locks
from wsi.errors import OutputUnwritableError, UsageError


@pytest.fixture
def log(tmp_path):
    prepare_locks(tmp_path)
    writer = AuditLog(tmp_path, "Anna", "r1")
    for i in range(5):
        writer.record("run", f"s{i}", {"result_sha256": f"{i}" * 64})
    return tmp_path / AUDIT


def test_a_whole_log_tells_who_and_what(log):
    chain = check_chain(log)
    assert chain.problems == chain.notes == []
    assert chain.results == {f"s{i}": {f"{i}" * 64} for i in range(5)}
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert {entry["who"] for entry in entries} == {"Anna"} and entries[0]["previous"] == "0" * 64


def test_a_line_tells_when_it_was_written_with_its_offset_from_utc(tmp_path):
    prepare_locks(tmp_path)
    before = datetime.now(UTC)
    AuditLog(tmp_path, "Anna", "r1").record("run", "a", {})
    told = datetime.fromisoformat(json.loads((tmp_path / AUDIT).read_text())["time"])
    assert told.utcoffset() == timedelta(0)
    # Told to the millisecond, cut off.
    assert before - timedelta(milliseconds=1) <= told <= datetime.now(UTC)


def test_every_flipped_bit_shows(log):
    whole, rng = log.read_bytes(), random.Random(1)
    for _ in range(300):
        at, bit = rng.randrange(len(whole)), rng.randrange(8)
        log.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
        chain = check_chain(log)
        assert chain.problems or chain.notes


@pytest.mark.parametrize("i", range(4))
def test_a_line_taken_out_or_moved_shows(log, i):
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:i] + lines[i + 1 :]))
    assert check_chain(log).problems
    log.write_bytes(b"".join([*lines[:i], lines[i + 1], lines[i], *lines[i + 2 :]]))
    assert check_chain(log).problems


@pytest.mark.parametrize("cut", [1, 2, 40, 200])
def test_a_line_torn_by_a_kill_is_told_and_borne(log, cut, tmp_path):
    log.write_bytes(log.read_bytes()[:-cut])
    before = check_chain(log)
    assert before.problems == []
    assert len(before.notes) == (cut > 1)  # without its newline alone, the line still says all
    AuditLog(tmp_path, "Anna", "r2").record("kept", "s4", {})
    after = check_chain(log)
    assert after.problems == [] and len(after.notes) == (cut > 1)


def test_a_line_that_was_overwritten_is_no_torn_one(log):
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2]) + b"nothing happened\n" + b"".join(lines[3:]))
    assert "line 3 is not as it was written" in check_chain(log).problems


def _write(out, who):
    for i in range(40):
        AuditLog(out, who, who).record("kept", f"{who}-{i}", {})


def test_several_processes_share_one_chain(tmp_path):
    prepare_locks(tmp_path)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, who)) for who in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert check_chain(tmp_path / AUDIT).problems == []
    assert len((tmp_path / AUDIT).read_text().splitlines()) == 160


def test_who_is_configurable(monkeypatch):
    monkeypatch.setenv("PULMOSCOPE_USER", "Dr. Ä\nnext")
    assert current_user() == "Dr. Ä\nnext"
    monkeypatch.delenv("PULMOSCOPE_USER")
    assert current_user()


def test_who_is_cut_to_a_hundred_letters(monkeypatch):
    monkeypatch.setenv("PULMOSCOPE_USER", "x" * 101)
    assert current_user() == "x" * 100


@pytest.mark.parametrize(("size", "ok"), [(31, False), (32, True), (4096, True), (4097, False)])
def test_a_key_has_32_to_4096_bytes(tmp_path, monkeypatch, size, ok):
    path = tmp_path / "key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    monkeypatch.setenv(KEY_VARIABLE, str(path))
    if ok:
        assert audit_key() == bytes(size)
    else:
        with pytest.raises(UsageError, match="audit key"):
            audit_key()


@pytest.mark.parametrize(("mode", "ok"), [(0o600, True), (0o700, True), (0o400, True), (0o640, False), (0o601, False)])
def test_a_key_is_its_owners_alone(tmp_path, monkeypatch, mode, ok):
    path = tmp_path / "key"
    path.write_bytes(b"k" * 32)
    path.chmod(mode)
    monkeypatch.setenv(KEY_VARIABLE, str(path))
    if ok:
        assert audit_key() == b"k" * 32
    else:
        with pytest.raises(UsageError, match="can be read by others"):
            audit_key()
    monkeypatch.delenv(KEY_VARIABLE)
    assert audit_key() is None


def test_a_line_is_sealed_with_the_key_and_only_that_key_finds_it_so(tmp_path, monkeypatch):
    prepare_locks(tmp_path)
    (tmp_path / "key").write_bytes(b"k" * 32)
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "key"))
    for slide_id in "ab":
        AuditLog(tmp_path, "Anna", "r1").record("run", slide_id, {"zeta": "1", "alpha": "2"})
    assert check_chain(tmp_path / AUDIT, b"k" * 32).problems == check_chain(tmp_path / AUDIT).problems == []
    told = [f"line {number} is not sealed with the key" for number in (1, 2)]
    assert check_chain(tmp_path / AUDIT, b"o" * 32).problems == told
    first = json.loads((tmp_path / AUDIT).read_text().splitlines()[0])
    body = {name: value for name, value in first.items() if name not in ("sha256", "hmac")}
    text = json.dumps(body, sort_keys=True).encode()
    assert first["hmac"] == hmac.new(b"k" * 32, text, "sha256").hexdigest()
    assert first["sha256"] == hashlib.sha256(text).hexdigest()


def test_only_lines_that_must_last_are_synced(tmp_path, monkeypatch):
    prepare_locks(tmp_path)
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    log = AuditLog(tmp_path, "Anna", "r1")
    log.record("kept", "a", {})
    assert synced == []
    log.record("run", "a", {}, durable=True)
    assert len(synced) == 1


def test_an_empty_log_has_no_lines_and_the_first_head(tmp_path):
    (tmp_path / AUDIT).write_bytes(b"")
    chain = check_chain(tmp_path / AUDIT)
    assert (chain.lines, chain.head, chain.links, chain.problems) == (0, "0" * 64, set(), [])
    assert chain.known("a") == set() and chain.results == {}


def test_what_was_kept_vouches_only_where_no_run_is_recorded(tmp_path):
    prepare_locks(tmp_path)
    log = AuditLog(tmp_path, "Anna", "r1")
    log.record("kept", "a", {"result_sha256": "1" * 64, "commit_sha256": "2" * 64})
    chain = check_chain(tmp_path / AUDIT)
    assert chain.known("a") == {Vouched("1" * 64, "2" * 64)} and chain.kept and not chain.runs
    log.record("run", "a", {"result_sha256": "3" * 64})
    chain = check_chain(tmp_path / AUDIT)
    assert chain.known("a") == {Vouched("3" * 64)} and chain.known("b") == set()
    assert chain.ended == {"a": ("run", "")} and chain.lines == 2


def test_every_line_has_its_link_and_the_last_is_the_head(log):
    chain = check_chain(log)
    links = [hashlib.sha256(line).hexdigest() for line in log.read_bytes().splitlines()]
    assert chain.links == set(links) and chain.head == links[-1] and chain.lines == 5


@pytest.mark.parametrize("line", ["[1]", "7", '"text"', "null", "{}", '{"a": 1}'])
def test_json_that_is_no_entry_is_told(tmp_path, line):
    (tmp_path / AUDIT).write_text(line + "\n")
    assert check_chain(tmp_path / AUDIT).problems == ["line 1 is not as it was written"]


@pytest.mark.parametrize("value", [1, None, True, ["a"], {"a": "b"}])
def test_a_value_that_is_no_text_makes_it_no_entry(tmp_path, value):
    body = {"event": "run", "slide_id": "a", "previous": "0" * 64, "who": value}
    (tmp_path / AUDIT).write_text(audit._sealed(body, None) + "\n")
    assert check_chain(tmp_path / AUDIT).problems == ["line 1 is not as it was written"]


@pytest.mark.parametrize("missing", ["", "event", "slide_id", "previous"])
def test_an_entry_has_an_event_a_slide_and_the_line_before(tmp_path, missing):
    body = {"event": "run", "slide_id": "a", "previous": "0" * 64}
    body.pop(missing, None)
    (tmp_path / AUDIT).write_text(audit._sealed(body, None) + "\n")
    problems = check_chain(tmp_path / AUDIT).problems
    assert problems == (["line 1 is not as it was written"] if missing else [])


def test_a_log_that_cannot_be_written_is_one_line(tmp_path):
    prepare_locks(tmp_path)
    (tmp_path / AUDIT).mkdir()
    with pytest.raises(OutputUnwritableError, match=r"audit\.jsonl"):
        AuditLog(tmp_path, "Anna", "r1").record("run", "a", {})


def vouched(tmp_path, *events):
    """The chain of a log in which a slide had these events: (kind, findings, files)."""
    prepare_locks(tmp_path)
    writer = AuditLog(tmp_path, "Anna", "r1")
    for event, result, files in events:
        writer.record(event, "a", {"result_sha256": result, "commit_sha256": files})
    return check_chain(tmp_path / AUDIT)


FIRST, AGAIN, OTHER = Vouched("x", "1"), Vouched("x", "2"), Vouched("y", "3")


@pytest.mark.parametrize(
    ("events", "known", "older"),
    [
        ([("run", "x", "1")], {FIRST}, set()),
        ([("run", "x", "1"), ("run", "y", "3")], {OTHER}, {FIRST}),
        ([("run", "x", "1"), ("run", "x", "2")], {AGAIN}, {FIRST}),
        # Found again with the findings of the last: the one that was announced last had not found its place.
        ([("run", "x", "1"), ("run", "x", "2"), ("kept", "x", "1")], {FIRST, AGAIN}, set()),
        # Of other findings: somebody put it back.
        ([("run", "x", "1"), ("run", "y", "3"), ("kept", "x", "1")], {OTHER}, {FIRST}),
        # Of the same findings, and never stored by a run.
        ([("run", "x", "1"), ("kept", "x", "2")], {FIRST}, set()),
        ([("kept", "x", "1"), ("kept", "y", "3")], {FIRST, OTHER}, set()),
        ([("kept", "x", "1"), ("run", "y", "3")], {OTHER}, set()),
    ],
)
def test_of_a_slide_the_result_that_was_stored_last_counts(tmp_path, events, known, older):
    chain = vouched(tmp_path, *events)
    assert chain.problems == [] and chain.known("a") == known and chain.known("b") == set()
    assert {one for one in (FIRST, AGAIN, OTHER, Vouched("z")) if chain.is_older("a", one)} == older
    assert chain.results == {"a": {one.result_sha256 for one in known}}


_OF_NO_RESULT = ("commission", "dossier", "commissioned", "learned", "withdrawn", "trained", "promoted", "rolled-back")


@pytest.mark.parametrize("event", _OF_NO_RESULT)
def test_an_event_that_is_of_no_result_changes_nothing_of_a_slide(tmp_path, event):
    chain = vouched(tmp_path, ("run", "x", "1"), (event, "y", "3"))
    assert (chain.problems, chain.lines) == ([], 2)
    assert chain.known("a") == {FIRST} and chain.ended == {"a": ("run", "")}
    assert chain.sealing == chain.sealed == {}


def test_records_of_people_are_no_end_of_a_slide(tmp_path):
    prepare_locks(tmp_path)
    writer = AuditLog(tmp_path, "Anna", "r1")
    writer.record("failed", "a", {"error_code": "no-tissue"})
    for event in ("sealing", "signed", "addendum"):
        writer.record(event, "a", {"record_sha256": event, "result_sha256": "x"})
    writer.record("run", "b", {"result_sha256": "y"})
    chain = check_chain(tmp_path / AUDIT)
    assert chain.sealing == {"sealing": "a"} and chain.sealed == {"signed": "a", "addendum": "a"}
    assert chain.ended == {"a": ("failed", "no-tissue"), "b": ("run", "")} and chain.known("a") == set()
    assert chain.results == {"b": {"y"}}
