"""The learning set's folder: what counts, what a kill leaves, what an altered file is told as, what is withdrawn."""

import csv
import hashlib
import json
from dataclasses import replace

import pytest

from app.ledger.audit import check_chain
from app.ledger.locks import prepare_locks, try_lock
from app.upkeep.learning.learn import withdraw
from app.upkeep.learning.learning_set import LearningSet
from app.upkeep.learning.record import LearnedRegion, LearnedTile
from wsi.errors import OutputBusyError, StoreError, UsageError


def region(slide="slide-1", number=0, **changes):
    """A region of two tiles whose pictures are `pictures(it)`."""
    tiles = tuple(LearnedTile(hashlib.sha256(picture(slide, number, i)).hexdigest(), (i, 0)) for i in range(2))
    made = LearnedRegion(
        slide_id=slide,
        slide_sha256=hashlib.sha256(slide.encode()).hexdigest(),
        result_sha256="1a" * 32,
        signature_sha256="2b" * 32,
        reviewer="Anna Reader",
        signed_at="2026-11-29T10:00:00.000+00:00",
        region_id=f"region-{number}",
        label="stroma",
        rings=(((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)),),
        size_px=224,
        mpp=0.6,
        tiles=tiles,
    )
    return replace(made, **changes)


def picture(slide, number, index):
    return f"{slide} {number} {index}".encode()


def pictures(one, number=0):
    return {tile.sha256: picture(one.slide_id, number, i) for i, tile in enumerate(one.tiles)}


@pytest.fixture
def learning(tmp_path):
    made = LearningSet(tmp_path / "set")
    with made.writing() as writing:
        for number, slide in enumerate(("slide-1", "slide-2", "slide-3")):
            one = region(slide, number, patient="Patient 7" if number else "")
            writing.learn(one, pictures(one, number))
        writing.tidy()
        writing.list_tiles()
    return made


def rows(learning):
    with (learning.folder / "tiles.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_was_learned_stands_and_is_listed(learning):
    standing = learning.standing()
    assert [one.slide_id for one in standing.regions.values()] == ["slide-1", "slide-2", "slide-3"]
    listed = rows(learning)
    assert len(listed) == 6 and {row["class"] for row in listed} == {"stroma"}
    assert all((learning.folder / row["file"]).is_file() for row in listed)
    assert listed[0]["reviewer"] == "Anna Reader" and listed[0]["mpp"] == "0.6"
    # A patient is one group, whichever slide.
    assert len({row["source_group"] for row in listed}) == 2
    assert check_chain(learning.folder / "audit.jsonl").problems == []


def test_a_group_never_changes_sides():
    sides = {region(f"slide-{number}").split for number in range(40)}
    assert sides == {"train", "test"}
    assert region("slide-1", label="blood").split == region("slide-1", number=5).split


def test_a_version_is_the_head_of_its_chain(learning):
    before = learning.standing().version
    assert learning.standing().version == before
    withdraw(learning.folder, slide="slide-1")
    assert learning.standing().version != before


def test_a_patient_s_tiles_are_gone_and_the_models_that_saw_them_are_told(learning):
    with learning.writing() as writing:
        writing.trained("aa" * 32)
    count, models = withdraw(learning.folder, patient="Patient 7")
    assert count == 2 and models == ("aa" * 32,)
    assert {row["region"] for row in rows(learning)} == set(learning.standing().regions)
    assert len(list((learning.folder / "tiles").iterdir())) == 2
    assert not any("Patient" in path.read_text() for path in (learning.folder / "regions").iterdir())
    # A model that is trained afterwards has not seen them.
    with learning.writing() as writing:
        writing.trained("bb" * 32)
    assert withdraw(learning.folder, slide="slide-1")[1] == ("aa" * 32, "bb" * 32)


def test_nothing_of_that_name_is_told(learning):
    with pytest.raises(UsageError, match="nothing was learned"):
        withdraw(learning.folder, slide="slide-9")


def test_what_a_killed_process_left_counts_for_nothing_and_goes(learning):
    one = region("slide-4", 4)
    for digest, content in pictures(one, 4).items():
        (learning.folder / "tiles" / f"{digest}.png").write_bytes(content)
    (learning.folder / "regions" / f"{one.sha256}.json").write_bytes(one.content())
    assert len(learning.standing().regions) == 3
    with learning.writing() as writing:
        writing.tidy()
    assert len(list((learning.folder / "tiles").iterdir())) == 6
    assert len(list((learning.folder / "regions").iterdir())) == 3


@pytest.mark.parametrize("how", ["label", "missing", "no json", "another schema"])
def test_an_altered_region_is_told(learning, how):
    path = next((learning.folder / "regions").iterdir())
    told = json.loads(path.read_text())
    if how == "missing":
        path.unlink()
    else:
        changed = {"label": {**told, "label": "blood"}, "no json": None, "another schema": {**told, "schema": 2}}[how]
        path.write_text("{" if changed is None else json.dumps(changed))
    with pytest.raises(StoreError, match=r"missing|altered|not as it was"):
        learning.standing()


def test_an_altered_chain_is_told(learning):
    path = learning.folder / "audit.jsonl"
    path.write_text(path.read_text().replace("slide-2", "slide-9"))
    with pytest.raises(StoreError, match="altered"):
        learning.standing()


def test_one_writes_at_a_time(learning):
    prepare_locks(learning.folder)
    with try_lock(learning.folder, "learning") as ours:
        assert ours
        with pytest.raises(OutputBusyError, match="being written to"), learning.writing():
            pass


def test_another_folder_is_no_learning_set(tmp_path):
    with pytest.raises(UsageError, match="no learning set"):
        LearningSet(tmp_path).standing()


@pytest.mark.parametrize("bad", [{"slide_id": "../x"}, {"tiles": [{"sha256": "../../x", "xy": [0, 0]}]}, {"label": 3}])
def test_a_record_that_nobody_wrote_is_none(bad):
    told = json.loads(region().content())
    with pytest.raises((ValueError, TypeError, KeyError)):
        LearnedRegion.from_facts({**told, **bad})
