"""Labelled tiles on disk: the list, who learns and who judges, and a model shown to a list."""
