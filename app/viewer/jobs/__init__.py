"""Runs that are started from a browser: a queue on disk, the process of each, and how far any run of the folder is."""
