"""What `pulmoscope` answers to the shell. Where an error ends a command, its own `exit_code` holds (`wsi.errors`)."""

from __future__ import annotations

from wsi.errors import OutputBusyError, PulmoscopeError, UsageError

OK = 0
FAILURES = PulmoscopeError.exit_code  # all was attempted, some of it failed
WRONG_USAGE = UsageError.exit_code
HELD = OutputBusyError.exit_code  # another run is at some of the slides still
STOPPED = 130  # Ctrl-C, SIGTERM
