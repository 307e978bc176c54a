"""Another Python that runs a function of ours: how it is started, and its first moments.

It finds modules where this process finds them, and never in the folder where the user stands: that folder holds slides
or somebody's results, and maybe a file that is called as one of our modules. Importing this costs next to nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from wsi.process.silence import fill_closed_streams

_BOOT = (
    "import json, sys; from importlib import import_module; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "module, _, name = sys.argv.pop(1).partition(':'); getattr(import_module(module), name)()"
)
_HOME = Path(__file__).resolve().parent.parent.parent
# NumPy's BLAS reads it once, when it is loaded. Its own threads, waiting for each other on two busy cores, made the
# small products of a batch of tiles 60 times as dear as one thread does.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Child:
    """A process, and the connection whose other end it has."""

    process: subprocess.Popen[bytes]
    connection: Connection

    def dismiss(self) -> None:
        """Ends it politely: what it is at is finished first, for two seconds at most."""
        self.connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()

    def end(self) -> str:
        """How it ended, in words, once it has closed its end; waits five seconds at most."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.returncode
        if code is None or code >= 0:
            return f"exit code {code}"
        return f"signal {signal.Signals(-code).name}"


def python_command(function: str, *arguments: str) -> tuple[str, ...]:
    """The command line of a Python that calls `function` ("module:name"), which finds `arguments` in sys.argv."""
    return (sys.executable, "-P", "-c", _BOOT, json.dumps(trusted_path()), function, *arguments)


def trusted_path() -> list[str]:
    """sys.path without the current folder, unless we live there ourselves."""
    return [entry for entry in sys.path if entry and not _is_foreign(entry)]


def child_environment() -> dict[str, str]:
    """This process's environment, for a Python that trusts no current folder: neither by PYTHONPATH."""
    stated = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(entry for entry in stated if entry and not _is_foreign(entry))
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": kept}
    if not kept:
        del environment["PYTHONPATH"]
    return environment


def trust_no_current_folder() -> None:
    """From here on this process and all that it starts import nothing from the folder where the user stands."""
    sys.path[:] = trusted_path()
    environment = child_environment()
    if "PYTHONPATH" not in environment:
        os.environ.pop("PYTHONPATH", None)
    os.environ.update(environment)


def start_child(function: str) -> Child:
    """A process that calls `function` ("module:name"), whose first words must be `parent_connection()`."""
    ours, theirs = socket.socketpair()
    with theirs, _interrupts_held():
        process = subprocess.Popen(
            python_command(function, str(theirs.fileno()), str(os.getpid())),
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=child_environment(),
        )
    return Child(process, Connection(ours.detach()))


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process started in here has Ctrl-C blocked for good: it is the parent's to handle, from the first moment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_foreign(entry: str) -> bool:
    try:
        place = Path(entry).resolve()
        return place == Path.cwd().resolve() and place != _HOME
    except OSError:  # where we stand is gone
        return not Path(entry).is_absolute()


# --- in the child


def parent_connection() -> tuple[Connection, int]:
    """The connection to the parent, and the parent's process id."""
    fill_closed_streams()
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    return Connection(int(sys.argv[1])), int(sys.argv[2])
