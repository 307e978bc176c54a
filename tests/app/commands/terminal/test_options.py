"""Numbers that options take: finite, plain, and such that can be meant."""

import click
import pytest

from app.commands.terminal.options import Number
from app.commands.words.table import COMMANDS, command_of
from wsi.errors import UsageError


def every(commands):
    """All commands, those of groups within too."""
    for command in commands:
        yield from every(command.commands.values()) if isinstance(command, click.Group) else (command,)


NUMBERS = [
    (command.name, option)
    for command in every(map(command_of, COMMANDS))
    for option in command.params
    if isinstance(option.type, click.FloatRange | click.types.FloatParamType)
]


def test_there_are_numbers_in_several_commands():
    assert len({command for command, _ in NUMBERS}) >= 3 and len(NUMBERS) >= 7


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan", "inf", "-inf", "1e300", "1e999", "1_0", "0x10", "x", "9" * 400])
@pytest.mark.parametrize(("command", "option"), NUMBERS, ids=lambda one: getattr(one, "name", one))
def test_what_is_no_number_that_can_be_meant_is_wrong_usage(command, option, text):
    with pytest.raises((UsageError, click.BadParameter)) as told:
        option.type.convert(text, option, None)
    assert len(str(told.value)) < 200


def test_a_number_is_taken_as_it_is_written():
    assert [Number(0.5).convert(text, None, None) for text in ("0.5", "4", " 1e2 ", 3.0)] == [0.5, 4.0, 100.0, 3.0]
    with pytest.raises(click.BadParameter, match=r"x>=0\.5"):
        Number(0.5).convert("0.4", None, None)


@pytest.mark.parametrize("text", ["-1", "1e3", "9" * 30, "1.5"])
def test_a_seed_is_one_that_every_generator_takes(text):
    [seed] = [option for option in command_of("train").params if option.name == "seed"]
    with pytest.raises(click.BadParameter):
        seed.type.convert(text, seed, None)
