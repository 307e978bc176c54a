"""The address of a PostgreSQL database: checked, its password out of sight, its connection encrypted unless it stays on
this machine or the address says otherwise."""

from __future__ import annotations

import os
import ssl
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from wsi.errors import UsageError

DATABASE_VARIABLE = "PULMOSCOPE_DATABASE"
PASSWORD_VARIABLE = "PGPASSWORD"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MODES = ("verify-full", "require", "disable")
_FORM = "postgresql://USER@HOST:PORT/NAME"


def database_url(address: str | None) -> URL | None:
    """The address given, else that of PULMOSCOPE_DATABASE; None where neither is. Raises UsageError, whose line holds
    nothing of the address: it may hold a password."""
    told = address or os.environ.get(DATABASE_VARIABLE, "").strip()
    if not told:
        return None
    try:
        url = make_url(told)
    except (ArgumentError, ValueError):
        raise UsageError("the database's address is none", hint=f"write it as {_FORM}") from None
    if url.drivername not in ("postgresql", "postgres", "postgresql+pg8000") or not url.database:
        raise UsageError("the database's address is not PostgreSQL's", hint=f"write it as {_FORM}")
    if url.password is None and os.environ.get(PASSWORD_VARIABLE):
        url = url.set(password=os.environ[PASSWORD_VARIABLE])
    return url.set(drivername="postgresql+pg8000")


def shown(url: URL) -> str:
    """The address without its password and its options."""
    bare = URL.create("postgresql", url.username, host=url.host, port=url.port, database=url.database)
    return bare.render_as_string()


def connect_arguments(url: URL) -> tuple[URL, dict[str, Any]]:
    """The address as the driver takes it, and what else it is told. Raises UsageError for an unknown `sslmode`."""
    query = dict(url.query)
    here = "unix_sock" in query or url.host in (None, *_LOOPBACK)
    mode = str(query.pop("sslmode", "disable" if here else _MODES[0]))
    authority = query.pop("sslrootcert", None)
    if mode not in _MODES:
        raise UsageError(f"the database's sslmode is none of {', '.join(_MODES)}")
    arguments: dict[str, Any] = {"ssl_context": _context(mode, authority), "timeout": 15}
    return url.set(query=query), arguments


def _context(mode: str, authority: object) -> ssl.SSLContext | bool:
    if mode == "disable":
        return False
    try:
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    except OSError as error:
        raise UsageError(f"the database's sslrootcert cannot be read: {error.strerror or 'no certificate'}") from error
    if mode == "require":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
