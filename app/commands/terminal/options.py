"""Words, numbers and options that several commands take, and what is wrong usage in any of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from wsi.errors import UsageError
from wsi.metadata import number
from wsi.text import visible

_MOST = 1e7
_EMPTY_HINT = "leave it out; or is a shell variable not set?"


class _NotEmpty(click.Path):
    """A path. An empty one would be the current folder: all slides below it would be run, results land in it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            raise UsageError(f"{_named(param)} is empty", hint=_EMPTY_HINT)
        return super().convert(value, param, ctx)


class _Word(click.types.StringParamType):
    """A word. An empty one would pass for an option that was not given."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            raise UsageError(f"{_named(param)} is empty", hint=_EMPTY_HINT)
        return super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A plain number in a range. Python also takes `nan`, which is in every range, and `1_0`, which looks like 1.0;
    and nothing that is asked for here comes near ten million."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        given = number(str(value), -_MOST, _MOST)
        if given is None:
            raise UsageError(
                f"{_named(param)} {visible(str(value))[:40]!r} is no number that can be meant", hint="write it as 0.25"
            )
        return super().convert(given, param, ctx)


def _named(param: click.Parameter | None) -> str:
    return param.opts[0] if isinstance(param, click.Option) else "an argument"


PATH = _NotEmpty(path_type=Path)
WORD = _Word()
SEED = click.IntRange(0, 2**31 - 1)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
AUDIT_KEY = click.option(
    "--audit-key", type=PATH, metavar="FILE", help="Seal and check the audit log with this key (32 bytes or more)."
)
DATABASE = click.option(
    "--database",
    type=WORD,
    metavar="URL",
    help="PostgreSQL that holds what people decide (or PULMOSCOPE_DATABASE); default: a file beside the results.",
)
MODEL = click.option("--model", type=WORD, default=None, metavar="MODEL", help="Packaged model, folder, or NAME@2.")


def use_audit_key(file: Path | None) -> None:
    """Every process of this command seals and checks with it. Raises UsageError where it is no key."""
    from app.ledger.audit import KEY_VARIABLE, audit_key

    if file is not None:
        os.environ[KEY_VARIABLE] = str(file.absolute())
    audit_key()


def model_name(model: str | None) -> str:
    """The one that was named, or the default; `NAME@2` and `NAME@current` stand for a folder of the registry.

    Raises UsageError, ModelNotFoundError, StoreError, ModelError for such an address that leads nowhere.
    """
    from classifier.model_folder.find import DEFAULT_MODEL

    if model and "@" in model and not Path(model).exists():
        from app.upkeep.candidate.registry import registered

        return str(registered(model))
    return model or DEFAULT_MODEL
