"""The database of one results folder: a file beside the results, or PostgreSQL by address. Knows no decision.

SQLite keeps its old journal, not WAL: one file that can be copied, on network disks too, and as safe from a kill or a
loss of power (`synchronous=EXTRA`). People sign a few times a minute; what WAL gains is not needed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from app.review.kept.address import connect_arguments, shown
from app.review.kept.checks import OddRowError
from wsi.errors import OutputUnwritableError, ReviewError
from wsi.files.reading import is_regular
from wsi.files.writing import unwritable
from wsi.text import plain

REVIEWS = "reviews.sqlite"
HEAD = "0001"
_MIGRATIONS = Path(__file__).parent.parent / "migrations"
_PATIENCE_S = 15
_WRITES = "pulmoscope_writes"
# Any number that nobody else uses: who writes holds it until the transaction ends.
_POSTGRESQL_LOCK = 7_158_330_021
_PRAGMAS = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA synchronous=EXTRA",
)


class Database:
    """`where` is the file of an SQLite database, or the address of a PostgreSQL one."""

    def __init__(self, where: Path | URL) -> None:
        self._where = where
        self._engine = _file_engine(where) if isinstance(where, Path) else _server_engine(where)
        self._ready = False

    @property
    def told(self) -> str:
        """How to name it to a person: never with its password."""
        return self._where.name if isinstance(self._where, Path) else shown(self._where)

    @property
    def is_server(self) -> bool:
        """Whether it is PostgreSQL."""
        return not isinstance(self._where, Path)

    @property
    def is_there(self) -> bool:
        """Whether anything was ever kept; a server is always there."""
        return not isinstance(self._where, Path) or os.path.lexists(self._where)

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """A connection to read with, None where nothing was kept yet. Raises ReviewError."""
        if not self.is_there:
            yield None
            return
        self._check_file()
        with self._errors_told(), self._engine.connect() as connection, connection.begin():
            version = _version(connection)
            self._check_version(version)
            yield connection if version else None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that nobody else writes beside; tables are made or brought up to date first.

        Raises ReviewError, OutputUnwritableError.
        """
        if isinstance(self._where, Path):
            _make_file(self._where)
        self._check_file()
        with self._errors_told(), self._engine.connect() as bare:
            connection = bare.execution_options(**{_WRITES: True})
            with connection.begin():
                _take_turns(connection)
                if not self._ready:
                    self._migrate(connection)
                yield connection
        self._ready = True

    def _migrate(self, connection: Connection) -> None:
        version = _version(connection)
        self._check_version(version)
        if version == HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    def _check_version(self, version: str) -> None:
        if version > HEAD:
            raise ReviewError(f"{self.told} was written by a newer pulmoscope", hint="use that one, or a newer")

    def _check_file(self) -> None:
        if isinstance(self._where, Path) and not is_regular(self._where):
            raise ReviewError(f"{self.told} is no file of ours (a link, or no file)", hint="move it away")

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """Errors of the database as one line: neither a statement nor what somebody wrote is in it."""
        try:
            yield
        except OddRowError as error:
            hint = "bring it back from a copy; `pulmoscope verify` tells what was signed and changed since"
            raise ReviewError(f"{self.told} holds what no record can hold", hint=hint) from error
        except SQLAlchemyError as error:
            raise ReviewError(f"{self.told} cannot be used: {_in_words(error)}", hint=self._hint()) from error

    def _hint(self) -> str:
        if isinstance(self._where, Path):
            return "see that the folder can be written and the disk has room, or bring the file back from a copy"
        return "see that the server runs, and that address, user and password are right"


def _file_engine(path: Path) -> Engine:
    """A connection each time: cheap for a file, and safe among the threads of the viewer."""

    def connect() -> sqlite3.Connection:
        mode = "rw" if os.access(path, os.W_OK) else "ro"
        address = f"file:{quote(str(path.absolute()))}?mode={mode}"
        # Transactions are begun by `_begin`, not by Python's own rules.
        return sqlite3.connect(address, uri=True, timeout=_PATIENCE_S, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _server_engine(url: URL) -> Engine:
    address, arguments = connect_arguments(url)
    try:
        return create_engine(address, connect_args=arguments, hide_parameters=True, pool_pre_ping=True)
    except ImportError as error:
        raise ReviewError(
            "PostgreSQL needs the package pg8000", hint="install pulmoscope with its extra: pulmoscope[postgres]"
        ) from error


def _set_pragmas(connection: Any, _record: object) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later can be refused its lock; one that means to write takes it at once.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _take_turns(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _POSTGRESQL_LOCK})


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _make_file(path: Path) -> None:
    """Nobody else on the machine may read what people wrote. Raises OutputUnwritableError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not os.access(path, os.W_OK):
            raise OutputUnwritableError(f"{path.name} cannot be written", hint="see who owns it") from None
    except OSError as error:
        raise unwritable(
            path.name, error, hint="decisions are kept beside the results; make the folder writable"
        ) from error


def _in_words(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error.__cause__ or error
    facts = cause.args[0] if cause.args else ""
    if isinstance(facts, dict):  # PostgreSQL's own answer
        facts = facts.get("M", "")
    return plain(facts, 160) or type(cause).__name__
