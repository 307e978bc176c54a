"""Another Python that runs a function of ours: how it is started, and its first moments.

It finds modules where this process finds them (`trusted.py`).
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

from wsi.process.silence import fill_closed_streams
from wsi.process.trusted import child_environment, trusted_path

_BOOT = (
    "import json, sys; from importlib import import_module; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "module, _, name = sys.argv.pop(1).partition(':'); getattr(import_module(module), name)()"
)
# NumPy's BLAS reads it once, when it is loaded. Its own threads, waiting for each other on two busy cores, made the
# small products of a batch of tiles 60 times as dear as one thread does.
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Child:
    """A process, and the connection whose other end it has."""

    process: subprocess.Popen[bytes]
    connection: Connection

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


# --- in the child


def parent_connection() -> tuple[Connection, int]:
    """The connection to the parent, and the parent's process id."""
    fill_closed_streams()
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    return Connection(int(sys.argv[1])), int(sys.argv[2])
