import pytest

from app.commands.terminal.pace import Pace


def test_before_anything_was_read_nothing_is_guessed():
    pace = Pace(10)
    assert pace.tiles_per_s(5.0) is None and pace.seconds_left() is None


def test_tiles_are_counted_once_and_over_the_last_minute():
    pace = Pace(10)
    pace.tiles_seen("a", 0, 0.0)
    pace.tiles_seen("a", 100, 10.0)
    pace.tiles_seen("a", 200, 20.0)
    pace.tiles_seen("b", 50, 20.0)
    assert pace.tiles_per_s(20.0) == pytest.approx(250 / 20)
    assert pace.tiles_per_s(75.0) == pytest.approx(150 / 60)
    assert pace.tiles_per_s(500.0) is None


def test_kept_slides_say_nothing_of_the_time_that_the_rest_takes():
    pace = Pace(104)
    for i in range(100):
        pace.slide_ended(f"kept-{i}", 0.01 * i, worked=False)
    pace.slide_ended("a", 10.99, worked=True)
    pace.slide_ended("b", 20.99, worked=True)
    assert pace.seconds_left() == pytest.approx(2 * 10.0)
