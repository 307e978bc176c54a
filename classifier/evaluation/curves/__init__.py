"""Curves over all thresholds, and the areas under them: ROC, DeLong's intervals, coverage, decision curves."""
