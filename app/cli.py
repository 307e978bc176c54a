"""The command line. Each command checks its words, calls one thing by name, and shows what came of it.

Nothing is imported before a command needs it, not even the words of the other commands: TensorFlow only by `train` (and
by models without a LiteRT file), Streamlit only by `app`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from app.batch import exit_codes
from app.commands.words.table import COMMANDS, command_of
from wsi import __version__
from wsi.errors import PulmoscopeError
from wsi.text import visible


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: 0 all well, 1 some slides failed, 2 wrong usage, 75 held elsewhere, 130 stopped."""
    from app.commands.guard import check_packages
    from wsi.process.limits import no_core_files
    from wsi.process.silence import fill_closed_streams
    from wsi.process.trusted import trust_no_current_folder
    from wsi.process.waits import waits_are_told

    fill_closed_streams()
    trust_no_current_folder()
    no_core_files()
    try:
        check_packages()
        with waits_are_told(lambda line: click.echo(f"pulmoscope: {visible(line)}", err=True)):
            code = cli.main(args=argv, prog_name="pulmoscope", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PulmoscopeError as error:
        click.echo(f"pulmoscope: {error}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nstopped", err=True)
        sys.exit(exit_codes.STOPPED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output went away: no second complaint
        sys.exit(exit_codes.FAILURES)
    except Exception as error:
        if os.environ.get("PULMOSCOPE_DEBUG"):
            raise
        click.echo(
            f"pulmoscope: internal-error: {type(error).__name__}; set PULMOSCOPE_DEBUG=1 to see where, and report it",
            err=True,
        )
        sys.exit(exit_codes.FAILURES)


class Commands(click.Group):
    """The commands by name, each imported when it is asked for: all of them would cost half of what `--help` costs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return command_of(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].told) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pulmoscope")
def cli() -> None:
    """Lung whole-slide images: a call, a heatmap and the reasons to look again.

    For research use only. It assists, a person decides.
    """


if __name__ == "__main__":
    main()
