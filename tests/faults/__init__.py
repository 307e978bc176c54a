"""Campaigns against the batch: each makes one kind of trouble, many times, and counts what came of it. The test suite
runs them small (tests/test_faults.py), `make faults` whole (benchmarks/faults.py)."""
