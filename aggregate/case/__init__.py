"""From the slides of a case to one call of it. No I/O; who a case is of, nothing here knows."""
