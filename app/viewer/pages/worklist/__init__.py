"""The list of all slides."""
