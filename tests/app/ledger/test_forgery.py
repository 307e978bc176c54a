"""What somebody who may write the output folder changes is named by `verify`, though every digest was made anew."""

import csv
import io
import json
import secrets
import shutil
import time

import pytest
import zarr

from aggregate import store
from aggregate.layout import commit
from app.ledger.audit import AUDIT, KEY_VARIABLE, AuditLog, audit_key, check_chain
from app.ledger.prepare import prepare_output
from app.ledger.records import SlideRow
from app.ledger.repair import repair_results
from app.ledger.table import merge_rows
from app.ledger.verify import report_of, verify_results
from tests.results import CLASSES, make_result
from wsi.errors import UsageError


def fill(out, finished=("a", "b")):
    """Results, a failed slide, their rows and the log, as a run leaves them."""
    prepare_output(out)
    audit, rows = AuditLog(out, "Anna", "r1"), []
    for slide_id in finished:
        result = make_result(slide_id, file=f"{slide_id}.svs")
        store.save(result, out, announce=lambda digests, i=slide_id: audit.record("run", i, digests))
        rows.append(SlideRow.of_result(result))
    audit.record("failed", "c", {"error_code": "corrupt-slide"})
    rows.append(SlideRow("c", "c.svs", "failed", error_code="corrupt-slide", message="c.svs broke off"))
    merge_rows(out, rows, CLASSES)
    return out


@pytest.fixture
def out(tmp_path):
    return fill(tmp_path / "out")


def reseal(path):
    files = {p.relative_to(path).as_posix(): commit._sha256(p) for p in commit._files(path) if p.name != "commit.json"}
    body = {"format": 1, "files": files, "result_sha256": commit.read(path)["result_sha256"]}
    (path / "commit.json").write_bytes(commit._canonical(body))


def labels(path):
    zarr.open_array(path / "heatmap" / "labels" / "call" / "0", mode="r+")[...] = 1


def replaced(old, new, *names):
    def change(path):
        for name in names:
            text = (path / name).read_text()
            assert old in text
            (path / name).write_text(text.replace(old, new))

    return change


def test_what_was_not_touched_is_whole(out):
    assert verify_results(out).is_whole


@pytest.mark.parametrize(
    "forge",
    [
        labels,
        replaced("squamous", "harmless", "heatmap/zarr.json"),
        replaced("2026-11-22T20:31:05Z", "1999-01-01T00:00:00Z", "zarr.json"),
        replaced("12.4", "99.5", "zarr.json"),
    ],
)
def test_a_forged_file_is_named_though_every_digest_was_made_anew(out, forge):
    forge(out / "a.zarr")
    reseal(out / "a.zarr")
    assert store.verify(out / "a.zarr") == []
    found = verify_results(out)
    assert list(found.broken) == ["a.zarr"] and not found.is_whole


def test_a_run_that_keeps_a_forgery_does_not_vouch_for_it(out):
    labels(out / "a.zarr")
    reseal(out / "a.zarr")
    AuditLog(out, "Anna", "r2").record("kept", "a", store.committed_digests(out / "a.zarr"))
    assert verify_results(out).broken == {"a.zarr": [f"its files are not those that {AUDIT} recorded"]}


def edit(out, change):
    path = out / "slides.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    rows = change({row["slide_id"]: row for row in rows})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())


COLUMNS = ("file", "status", "call", "p_normal", "confidence", "review_reasons", "mpp", "mpp_source", "tissue_mm2")


@pytest.mark.parametrize("column", [*COLUMNS, "tiles", "seconds", "error_code", "message"])
def test_each_cell_is_held_against_the_result(out, column):
    other = {"status": "review", "file": "in/z.svs", "review_reasons": "pen"}

    def change(rows):
        number = rows["a"][column].replace(".", "").isdigit()
        rows["a"][column] = other.get(column) or (str(float(rows["a"][column]) + 1) if number else "x")
        if column == "tiles":
            rows["a"][column] = "7"
        return list(rows.values())

    edit(out, change)
    found = verify_results(out)
    assert list(found.broken) == ["a.zarr"] and f"says {column} " in found.broken["a.zarr"][0]
    repair_results(out, found)
    assert verify_results(out).is_whole


@pytest.mark.parametrize("moved", [0.01, 0.0001, 0.00001])
def test_a_probability_that_differs_a_little_is_named(out, moved):
    def change(rows):
        rows["a"]["p_normal"] = f"{float(rows['a']['p_normal']) + moved:.6f}"
        return list(rows.values())

    edit(out, change)
    assert "says p_normal" in verify_results(out).broken["a.zarr"][0]


@pytest.mark.parametrize("slide_id", ["a", "c"])
def test_a_row_that_was_taken_out_is_named(out, slide_id):
    edit(out, lambda rows: [row for row in rows.values() if row["slide_id"] != slide_id])
    found = verify_results(out)
    assert not found.is_whole and slide_id in report_of(found, [], as_json=False)


def test_a_failure_that_is_told_otherwise_is_named(out):
    def change(rows):
        rows["c"]["error_code"] = "no-tissue"
        return list(rows.values())

    edit(out, change)
    assert "corrupt-slide" in verify_results(out).table[0]


def test_a_failure_that_never_was_is_named(out):
    merge_rows(out, [SlideRow("d", "d.svs", "failed", error_code="crashed")], CLASSES)
    assert "d is told as failed" in verify_results(out).table[0]


def test_swapped_results_are_named(out):
    (out / "a.zarr").rename(out / "x.zarr")
    (out / "b.zarr").rename(out / "a.zarr")
    (out / "x.zarr").rename(out / "b.zarr")
    assert list(verify_results(out).broken) == ["a.zarr", "b.zarr"]


def test_a_cut_tail_shows_beside_a_head_that_was_noted(out):
    head = verify_results(out).head
    AuditLog(out, "Anna", "r2").record("kept", "a", {})
    assert verify_results(out, head).is_whole  # a log that grew still holds it
    later = verify_results(out).head
    lines = (out / AUDIT).read_bytes().splitlines(keepends=True)
    (out / AUDIT).write_bytes(b"".join(lines[:-1]))
    assert verify_results(out).is_whole and not verify_results(out, later).is_whole
    assert verify_results(out).head == head


@pytest.fixture
def key(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_bytes(secrets.token_bytes(32))
    path.chmod(0o600)
    monkeypatch.setenv(KEY_VARIABLE, str(path))
    return path


def test_a_log_written_anew_without_the_key_is_named(tmp_path, key, monkeypatch):
    out = fill(tmp_path / "keyed")
    assert verify_results(out).is_whole
    monkeypatch.delenv(KEY_VARIABLE)
    assert verify_results(out).is_whole  # who has no key can still follow the chain
    (out / AUDIT).unlink()
    fill(out)
    assert verify_results(out).is_whole
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    assert "line 1 is not sealed with the key" in verify_results(out).audit
    other = tmp_path / "other"
    other.write_bytes(secrets.token_bytes(32))
    other.chmod(0o600)
    monkeypatch.setenv(KEY_VARIABLE, str(other))
    fill(tmp_path / "others")
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    assert verify_results(tmp_path / "others").audit


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o640),
        lambda path: path.chmod(0o604),
        lambda path: path.write_bytes(b"short"),
        lambda path: path.unlink(),
        lambda path: (path.rename(path.with_name("real")), path.symlink_to("real")),
        lambda path: path.write_bytes(b"x" * 5000),
    ],
)
def test_a_key_that_is_none_is_refused(key, spoil):
    assert audit_key()
    spoil(key)
    with pytest.raises(UsageError, match="audit key"):
        audit_key()


def test_lines_of_older_versions_vouch_by_what_was_found(out):
    """They hold no `commit_sha256`; where a newer line does, that one counts."""
    (out / AUDIT).unlink()
    audit = AuditLog(out, "Anna", "r1")
    for slide_id in ("a", "b"):
        audit.record("run", slide_id, {"result_sha256": store.committed_digest(out / f"{slide_id}.zarr")})
    audit.record("failed", "c", {"error_code": "corrupt-slide"})
    assert verify_results(out).is_whole
    audit.record("run", "a", store.committed_digests(out / "a.zarr"))
    labels(out / "a.zarr")
    reseal(out / "a.zarr")
    assert list(verify_results(out).broken) == ["a.zarr"]


def stored_anew(out, slide_id, **values):
    result = make_result(slide_id, file=f"{slide_id}.svs", **values)
    audit = AuditLog(out, "Anna", "r2")
    store.save(result, out, announce=lambda digests: audit.record("run", slide_id, digests))
    merge_rows(out, [SlideRow.of_result(result)], CLASSES)


@pytest.mark.parametrize("values", [{"call": "normal", "probabilities": (0.1, 0.8, 0.1)}, {}, {"mpp": 0.25}])
@pytest.mark.parametrize("sealed", [True, False])
def test_an_older_result_that_is_put_back_is_named(out, tmp_path, request, values, sealed):
    """The log knows it, with a key too; but it stored another one later."""
    if sealed:
        request.getfixturevalue("key")
        (out / AUDIT).unlink()
        for slide_id in ("a", "b"):
            stored_anew(out, slide_id)
        AuditLog(out, "Anna", "r1").record("failed", "c", {"error_code": "corrupt-slide"})
    shutil.copytree(out / "a.zarr", tmp_path / "older.zarr")
    time.sleep(0.01)
    stored_anew(out, "a", **values, metadata={"vendor": "another"})
    assert verify_results(out).is_whole
    shutil.rmtree(out / "a.zarr")
    shutil.copytree(tmp_path / "older.zarr", out / "a.zarr")
    merge_rows(out, [SlideRow.of_result(store.load(out / "a.zarr"))], CLASSES)
    found = verify_results(out)
    assert found.broken == {"a.zarr": [f"is an older result: {AUDIT} recorded a later one"]} and not found.audit


def test_a_run_that_finds_the_same_again_vouches_for_what_was_stored_before(out, tmp_path):
    """A result was announced and found no place, the disk being full: the next run keeps the one before."""
    before = store.committed_digests(out / "a.zarr")
    audit = AuditLog(out, "Anna", "r2")
    audit.record("run", "a", {**before, "commit_sha256": "0" * 64})
    assert list(verify_results(out).broken) == ["a.zarr"]
    audit.record("kept", "a", before)
    assert verify_results(out).is_whole
    # Files that no run stored are vouched for by no keeping.
    labels(out / "a.zarr")
    reseal(out / "a.zarr")
    audit.record("kept", "a", store.committed_digests(out / "a.zarr"))
    assert verify_results(out).broken["a.zarr"] == [f"its files are not those that {AUDIT} recorded"]


@pytest.mark.parametrize("missing", ["event", "slide_id", "previous"])
def test_a_line_without_its_fields_is_no_entry(tmp_path, missing):
    from app.ledger import audit

    body = {"event": "run", "slide_id": "a", "previous": "0" * 64, "result_sha256": "1"}
    del body[missing]
    (tmp_path / AUDIT).write_text(audit._sealed(body, None) + "\n")
    chain = check_chain(tmp_path / AUDIT)
    assert chain.problems and not chain.results


@pytest.mark.parametrize("values", [{"slide_id": ["a"]}, {"event": None}, {"result_sha256": {"a": 1}}])
def test_a_line_of_other_kinds_is_no_entry(tmp_path, values):
    from app.ledger import audit

    body = {"event": "run", "slide_id": "a", "previous": "0" * 64, **values}
    (tmp_path / AUDIT).write_text(audit._sealed(body, None) + "\n")
    assert check_chain(tmp_path / AUDIT).problems == ["line 1 is not as it was written"]


def test_the_report_of_a_check_parses(out):
    told = json.loads(report_of(verify_results(out), [], as_json=True))
    assert told["results"] == 2 and len(told["head"]) == 64 and told["broken"] == {} and told["table"] == []
