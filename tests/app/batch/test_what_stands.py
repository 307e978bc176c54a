"""Whether a stored result stands, from what is stored and asked alone: nothing is run (`test_kept.py` runs)."""

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from aggregate import store
from app.batch import kept
from app.batch.job import SlideJob
from app.batch.kept import tell_anew, told_otherwise, what_changed
from app.config import RunConfig
from app.ledger.audit import AUDIT
from app.ledger.locks import prepare_locks
from tests.results import CLASSES, make_result
from wsi.files.fingerprint import fingerprint
from wsi.spacing import MPP_OTHERWISE, FillIn

MODEL = SimpleNamespace(card=SimpleNamespace(digest="ab" * 32, classes=CLASSES), runtime="litert-int8")
OTHER_CARD = SimpleNamespace(card=SimpleNamespace(digest="cd" * 32, classes=CLASSES), runtime="litert-int8")
OTHER_RUNTIME = SimpleNamespace(card=MODEL.card, runtime="tensorflow")


class Output:
    """A slide and its result, as a run of `config` leaves them."""

    def __init__(self, folder):
        self.config = RunConfig(out=folder / "out", model="m", who="Anna", run_id="0f0f0f0f")
        prepare_locks(self.config.out)
        (folder / "a.svs").write_bytes(b"a slide")
        self.job = SlideJob(folder / "a.svs", "a.svs", "a")

    def save(self, mpp=None, mpp_source="slide", metadata=None, without=(), **provenance):
        told = {
            "model": {"sha256": MODEL.card.digest, "runtime": MODEL.runtime},
            "config": self.config.scientific(mpp),
            "config_sha256": self.config.sha256(mpp),
            "label": "",
            "reader": "auto",
            **provenance,
        }
        told = {name: value for name, value in told.items() if name not in without}
        result = make_result("a", file="a.svs", mpp_source=mpp_source, metadata=metadata, provenance=told)
        result = replace(result, slide=replace(result.slide, sha256=fingerprint(self.job.path)))
        return store.save(result, self.config.out)

    def changed(self, config=None, model=MODEL, **job):
        target = store.result_path(self.config.out, "a")
        return what_changed(target, replace(self.job, **job), config or self.config, model)


@pytest.fixture
def out(tmp_path):
    return Output(tmp_path)


def test_a_result_that_is_not_there_is_none_and_one_of_the_same_stands(out):
    assert out.changed() is None
    out.save()
    assert out.changed() == ()


def test_what_differs_is_named(out):
    path = out.save()
    assert out.changed(model=OTHER_CARD) == ("model",)
    assert out.changed(model=OTHER_RUNTIME) == ("configuration",)
    assert out.changed(replace(out.config, overlap=0.5)) == ("configuration",)
    assert out.changed(replace(out.config, reader="openslide"), OTHER_CARD) == ("model", "reader")
    out.job.path.write_bytes(b"another slide")
    assert out.changed() == ("slide",)
    (path / "zarr.json").write_text("{}")
    assert out.changed() == ("damage",)


def test_a_result_of_other_methods_is_of_another_program(out):
    config = {**out.config.scientific(None), "methods": {"reading": 0}}
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    out.save(config=config, config_sha256=hashlib.sha256(text.encode()).hexdigest())
    assert out.changed() == ("program",)
    assert out.changed(replace(out.config, overlap=0.5)) == ("program", "configuration")


def test_an_mpp_that_overrides_stands_only_where_it_was_what_was_used(out):
    out.save(mpp=0.25, mpp_source="given")
    assert out.changed(mpp=0.25) == () and out.changed(mpp=0.5) == out.changed() == ("configuration",)
    out.save(mpp=0.25, mpp_source="slide")
    assert out.changed(mpp=0.25) == ("configuration",)


def test_an_mpp_that_fills_in_stands_where_the_slide_stated_none_or_its_own_was_used(out):
    filled = FillIn(0.25)
    out.save(mpp=filled, mpp_source="slide", metadata={MPP_OTHERWISE: 0.5})
    assert out.changed(mpp=filled) == ()
    out.save(mpp=filled, mpp_source="given")
    assert out.changed(mpp=filled) == ()
    out.save(mpp=filled, mpp_source="given", metadata={MPP_OTHERWISE: 0.5})  # by --mpp-override, then
    assert out.changed(mpp=filled) == ("configuration",)


@pytest.mark.parametrize(("source", "changed"), [("given", ()), ("slide", ("configuration",))])
def test_an_older_result_asks_the_slide_whether_it_would_be_filled_in(out, monkeypatch, source, changed):
    class Opened:
        spacing = SimpleNamespace(source=source)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    asked = []
    monkeypatch.setattr(kept, "open_slide", lambda path, **how: asked.append((path, how)) or Opened())
    out.save(mpp=0.25, mpp_source="given", without=("reader",))
    assert out.changed(mpp=FillIn(0.25)) == changed
    assert asked == [(out.job.path, {"mpp": FillIn(0.25), "reader": "auto"})]


@pytest.mark.parametrize(
    ("before", "asked", "same"),
    [
        ("auto", "auto", True),
        ("auto", "openslide", False),
        ("openslide", "openslide", True),
        ("openslide", "auto", False),
        ("tiff-jpeg", "openslide", False),  # though OpenSlide read it
        (None, "auto", True),
        (None, "openslide", True),  # before readers were told: it was read by that
        (None, "tiff-jpeg", False),
    ],
)
def test_the_reader_that_was_asked_for_is_part_of_a_result(out, before, asked, same):
    out.save(**({"without": ("reader",)} if before is None else {"reader": before}))
    assert out.changed(replace(out.config, reader=asked)) == (() if same else ("reader",))


def test_a_label_is_told_anew_where_it_is_another_and_nothing_else_changes(out):
    path = out.save()
    before, target = store.load_summary(path), store.result_path(out.config.out, "a")
    digests = store.committed_digests(path)
    for label, told in (("normal", "normal"), ("a name", ""), ("normal", "normal"), ("", "")):
        job = replace(out.job, label=label)
        assert told_otherwise(target, job, out.config, MODEL)
        assert tell_anew(target, job, out.config, MODEL) == ("label",)
        assert store.load_summary(path)["provenance"]["label"] == told
        assert not told_otherwise(target, job, out.config, MODEL) and tell_anew(target, job, out.config, MODEL) == ()
    assert store.load_summary(path) == before and store.committed_digests(path) == digests
    lines = [json.loads(line) for line in (out.config.out / AUDIT).read_text().splitlines()]
    assert [line["event"] for line in lines] == ["run"] * 4
    assert lines[-1].items() >= {**digests, "slide_id": "a", "who": "Anna", "run": "0f0f0f0f"}.items()
    assert lines[-1]["slide_sha256"] == before["slide"]["sha256"] and lines[-1]["model_sha256"] == MODEL.card.digest
    assert lines[-1]["config_sha256"] == out.config.sha256(None)


def test_a_label_is_told_in_a_result_that_had_none_to_tell(out):
    path = out.save(without=("label",))
    assert "label" not in store.load_summary(path)["provenance"]
    assert not told_otherwise(path, out.job, out.config, MODEL)
    assert tell_anew(path, replace(out.job, label="normal"), out.config, MODEL) == ("label",)
    assert store.load_summary(path)["provenance"]["label"] == "normal"


def test_the_log_knows_of_a_result_for_sure_before_it_is_there(out, monkeypatch):
    seen = []

    class Log:
        def __init__(self, folder, who, run_id):
            assert (folder, who, run_id) == (out.config.out, "Anna", "0f0f0f0f")

        def record(self, event, slide_id, facts, *, durable=False):
            seen.append((event, slide_id, durable, store.result_path(out.config.out, "a").exists()))

    monkeypatch.setattr(kept, "AuditLog", Log)
    kept.save_announced(make_result("a"), out.config)
    assert seen == [("run", "a", True, False)] and store.result_path(out.config.out, "a").exists()
