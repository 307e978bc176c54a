"""What a run leaves on disk beside the results: rows, audit log, locks, and the proof that all is whole."""
