"""The table of commands: each is what it says, and none is imported for the list of them."""

import click
import pytest
from click.testing import CliRunner

from app.cli import cli
from app.commands.words.table import COMMANDS, command_of
from tests.test_architecture import all_modules_after


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_found_by_its_name_and_tells_what_it_does(name):
    command = command_of(name)
    assert isinstance(command, click.Command) and command.name == name
    assert command.help and CliRunner().invoke(cli, [name, "--help"]).output.startswith(f"Usage: cli {name}")


def test_the_list_tells_all_commands_a_line_each_and_imports_none():
    shown = CliRunner().invoke(cli, ["--help"]).output.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in shown] == sorted(COMMANDS)
    loaded = all_modules_after("from app.cli import main\nmain(['--help'])")
    assert not [name for name in loaded if name.startswith("app.commands.words.") and not name.endswith(".table")]


def test_an_unknown_command_is_wrong_usage():
    assert CliRunner().invoke(cli, ["rum"]).exit_code == 2
