"""Every test of this folder that asks for `reviews` runs twice: on a file, and on a PostgreSQL of its own."""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from app.review.people import Person
from app.review.records import Case
from app.review.reviews import open_reviews

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
CLASSES = ("adenocarcinoma", "normal", "squamous_cell_carcinoma")
ANNA, BERT, CARL = Person("Anna Reader"), Person("Bert Reviewer"), Person("Carl Third")
_numbers = itertools.count()


def case(slide_id="slide-1", result="1a", call="adenocarcinoma"):
    return Case(slide_id, result * 32, "5e" * 32, "3f" * 32, call, CLASSES, (10_000, 8_000))


@pytest.fixture(scope="session")
def postgresql():
    """The address of a server that this run started, as a user who is not root; skipped where there is none."""
    if PROGRAMS is None:
        pytest.skip("needs Debian's PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has 107 bytes
    shutil.chown(folder, "nobody") if os.getuid() == 0 else None
    port = free_port()
    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
    # The server takes our output with it: a pipe would never end.
    as_nobody(PROGRAMS / "initdb", "-D", folder / "data", "-U", "pulmo", "-A", "trust", "-E", "UTF8", "--locale=C")
    as_nobody(PROGRAMS / "pg_ctl", "-D", folder / "data", "-w", "-o", options, "-l", folder / "log", "start")
    try:
        yield f"postgresql://pulmo@127.0.0.1:{port}"
    finally:
        as_nobody(PROGRAMS / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def as_nobody(*command):
    # PostgreSQL refuses to run as root; where root's tools are is not on everybody's PATH.
    nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    done = subprocess.run(
        list(map(str, command)), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120, **nobody
    )
    assert done.returncode == 0, done.stderr.decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def new_database(postgresql):
    """The address of an empty database on that server."""
    import pg8000.native

    name, port = f"reviews_{next(_numbers)}", int(postgresql.rpartition(":")[2])
    connection = pg8000.native.Connection("pulmo", host="127.0.0.1", port=port, database="postgres")
    connection.run(f"CREATE DATABASE {name}")
    connection.close()
    return f"{postgresql}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request):
    """None for the file beside the results, else the address of an empty PostgreSQL database."""
    return None if request.param == "sqlite" else request.getfixturevalue("new_database")


@pytest.fixture
def reviews(tmp_path, address):
    return open_reviews(tmp_path, address)


@pytest.fixture
def double(tmp_path, address):
    """With a second reading, blind to the first."""
    return open_reviews(tmp_path, address, second_reading=True)
