"""`pulmoscope run` as a job's own process: it ends in good order where the viewer that started it is gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from importlib import import_module

_LOOK_EVERY_S = 0.5
_ORDERLY_S = 20.0


def main() -> None:
    """The command line's own `main`, its words in sys.argv."""
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    import_module("app.cli").main()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORDERLY_S)
    os._exit(1)
