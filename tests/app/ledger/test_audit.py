"""The audit log: each line holds the one before it, so whatever is changed, moved or taken out shows."""

import json
import multiprocessing
import random

import pytest

from app.ledger.audit import AUDIT, AuditLog, check_chain, current_user
from app.ledger.locks import prepare_locks


@pytest.fixture
def log(tmp_path):
    prepare_locks(tmp_path)
    audit = AuditLog(tmp_path, "Anna", "r1")
    for i in range(5):
        audit.record("run", f"s{i}", {"result_sha256": f"{i}" * 64})
    return tmp_path / AUDIT


def test_a_whole_log_tells_who_and_what(log):
    chain = check_chain(log)
    assert chain.problems == chain.notes == []
    assert chain.results == {f"s{i}": {f"{i}" * 64} for i in range(5)}
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert {entry["who"] for entry in entries} == {"Anna"} and entries[0]["previous"] == "0" * 64


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
