"""Slides whose colours some program mistook: which mistake it was, and the slide with it undone."""
