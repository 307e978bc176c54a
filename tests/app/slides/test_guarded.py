"""Slides that abort, hang or want all memory, looked at: one error each, and the process that asked goes on."""

import ctypes
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.slides.facts import describe, read_levels, tell_levels
from app.slides.guarded import GuardedSlides, Limits
from app.slides.looking import Shelf
from app.slides.question import SlideAddress, error_of, error_words
from classifier.networks.onnx_file.wire import Unreadable
from wsi.errors import (
    CorruptSlideError,
    EmptyFileError,
    ModelError,
    SlideCrashedError,
    SlideTimeoutError,
    SlideTooLargeError,
    UnsupportedSlideError,
)

# --- what a hostile slide makes its library do, in the process that reads it


def who(slide):
    return os.getpid(), b"x" * 3


def abort(slide):
    os.abort()


def abort_where_others_are_open(slide):
    """As where another slide has spoiled the process: only the first slide of a process is well."""
    if getattr(ctypes, "spoiled", "") not in ("", slide.path.name):
        os.abort()
    ctypes.spoiled = slide.path.name
    return slide.path.name, b""


def hang(slide):
    time.sleep(600)


def spin(slide):
    while True:
        pass


def take_all_memory(slide):
    return len(bytearray(8 << 30)), b""


def fail(slide):
    raise KeyError("a patient's name")


def core_limit(slide):
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)[0], b""


@pytest.fixture(scope="module")
def slides():
    guarded = GuardedSlides(processes=1, limits=Limits(memory_gb=1.0, seconds=60.0, cpu_seconds=60.0))
    yield guarded
    guarded.close()


@pytest.fixture
def address(ready_slide):
    return SlideAddress(ready_slide.path)


def test_the_slide_is_opened_elsewhere_and_its_process_kept(slides, address):
    first, body = slides.ask(who, address)
    assert first != os.getpid() and body == b"xxx"
    assert slides.ask(who, address)[0] == first
    assert slides.ask(core_limit, address)[0] == 0


def test_the_facts_come_as_they_are(slides, address, ready_slide):
    levels = read_levels(slides.ask(tell_levels, address)[0])
    facts, _ = slides.ask(describe, address)
    assert list(levels[0].size_px) == facts["size_px"] and facts["file"] == ready_slide.path.name
    json.dumps(facts)


@pytest.mark.parametrize(
    ("work", "error"),
    [(abort, SlideCrashedError), (take_all_memory, SlideTooLargeError), (fail, SlideCrashedError)],
)
def test_what_a_slide_does_to_its_process_is_one_error(slides, address, work, error):
    with pytest.raises(error, match=address.path.name) as told:
        slides.ask(work, address)
    assert "patient" not in str(told.value)
    assert slides.ask(who, address)[0] != os.getpid()


@pytest.mark.parametrize(
    ("work", "limits"),
    [(hang, Limits(seconds=0.5)), (spin, Limits(seconds=0.5)), (spin, Limits(seconds=300.0, cpu_seconds=0.5))],
)
def test_a_slide_that_takes_too_long_is_given_up(address, work, limits):
    slides = GuardedSlides(processes=1, limits=limits)
    with pytest.raises(SlideTimeoutError, match=r"took more than 0\.5 s"):
        slides.ask(work, address)
    slides.close()


def test_a_process_that_another_slide_spoiled_is_replaced_and_the_question_asked_again(slides, address, tmp_path):
    other = tmp_path / "other.tif"
    other.write_bytes(address.path.read_bytes())
    slides.close()
    for path in (address.path, other, address.path):
        assert slides.ask(abort_where_others_are_open, SlideAddress(path))[0] == path.name


def test_a_process_that_was_killed_while_idle_costs_nothing(slides, address):
    pid, _ = slides.ask(who, address)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}/exe") and time.monotonic() < deadline:  # noqa: PTH110
        time.sleep(0.01)
    assert slides.ask(who, address)[0] not in (pid, os.getpid())


def test_what_is_wrong_with_a_file_is_told_as_ever(slides, tmp_path):
    (tmp_path / "empty.svs").touch()
    (tmp_path / "text.svs").write_text("no slide")
    for name, error in (("empty.svs", EmptyFileError), ("text.svs", UnsupportedSlideError)):
        with pytest.raises(error, match=name):
            slides.ask(who, SlideAddress(tmp_path / name))


def test_many_who_ask_share_few_processes(address):
    slides = GuardedSlides(processes=2)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(slides.ask(who, address)[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    slides.close()
    assert len(seen) == 8 and 1 <= len(set(seen)) <= 2


def slowly(slide):
    time.sleep(0.3)
    return os.getpid(), b""


@pytest.mark.parametrize(("opening_s", "processes"), [(600.0, 1), (0.0, 2)])
def test_a_slide_is_opened_in_another_process_once_waiting_costs_more(address, monkeypatch, opening_s, processes):
    """Two processes, and eight at once who ask of one slide."""
    monkeypatch.setattr("app.slides.guarded._OPENING_S", opening_s)
    slides = GuardedSlides(processes=2)
    slides.start()
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: slides.ask(slowly, address)[0], range(8)))
    slides.close()
    assert len(set(told)) == processes


def test_a_slide_that_is_open_nowhere_waits_for_nobody(address, tmp_path, monkeypatch):
    monkeypatch.setattr("app.slides.guarded._OPENING_S", 600.0)
    other = tmp_path / "other.tif"
    other.write_bytes(address.path.read_bytes())
    slides = GuardedSlides(processes=2)
    slides.start()
    with ThreadPoolExecutor(2) as pool:
        told = [pool.submit(slides.ask, slowly, one) for one in (address, SlideAddress(other))]
        assert len({one.result()[0] for one in told}) == 2
    slides.close()


def test_an_error_that_comes_back_is_of_the_class_of_its_code():
    """A class below it that makes words of its own is none: it would be called with words that it does not take."""
    assert Unreadable.code == ModelError.code
    again = error_of(["model-invalid", "the LiteRT file cannot be read", "get the model again from its maker"])
    assert type(again) is ModelError and again.exit_code == 2


def test_errors_cross_as_words():
    error = CorruptSlideError("x.svs is damaged", hint="scan it again")
    again = error_of(json.loads(json.dumps(error_words(error))))
    assert type(again) is CorruptSlideError and str(again) == str(error)
    for nonsense in (None, [], ["corrupt-slide"], {"code": 1}, [1, 2, 3]):
        assert isinstance(error_of(nonsense), SlideCrashedError)


def test_the_shelf_closes_the_slide_that_was_asked_for_longest_ago(ready_slide, tmp_path):
    shelf = Shelf(max_slides=2)
    addresses = [SlideAddress(ready_slide.path, version=str(i)) for i in range(3)]
    first = shelf.take(addresses[0])
    assert shelf.take(addresses[0]) is first
    shelf.take(addresses[1])
    shelf.take(addresses[2])
    assert shelf.take(addresses[0]) is not first
    assert shelf.clear() and not shelf.clear()
