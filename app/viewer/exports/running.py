"""One export on its way to a browser: its process, how far it is, its bytes as they come. Nothing is kept on disk."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from wsi.process.child import python_command
from wsi.process.trusted import child_environment

_CHILD = "app.exchange.child:main"
_PIECE_BYTES = 1 << 16


class Running:
    """Begun at once. `done`, `total` and `left_out` count slides; `end` is empty, ``done``, ``failed`` or
    ``cancelled``."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.total = len(request["slides"])
        self.done = self.left_out = 0
        self.end = ""
        self._process = subprocess.Popen(
            python_command(_CHILD),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(),
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        with suppress(OSError), self._process.stdin as words:
            words.write(json.dumps(request).encode())
        self._archive = self._process.stdout
        threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True).start()

    def piece(self) -> bytes:
        """The next bytes; none where there are no more. Blocks."""
        return self._archive.read1(_PIECE_BYTES)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Ends the process, if it runs still, and says what became of the export. Blocks for a moment."""
        whole = self._process.poll() is not None or self._at_end()
        if not whole:
            self._process.kill()
        code = self._process.wait()
        self._archive.close()
        self.end = self.end or ("done" if code == 0 else "failed" if whole else "cancelled")

    def cancel(self) -> None:
        self.end = self.end or "cancelled"
        self._process.kill()

    def _at_end(self) -> bool:
        """Whether it ends by itself within a second: its last bytes are there."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        return self._process.returncode is not None

    def _listen(self, told: IO[bytes]) -> None:
        with told:
            for line in told:
                with suppress(ValueError, KeyError, TypeError):
                    facts = json.loads(line)
                    self.done, self.left_out = int(facts["done"]), int(facts["left_out"])
