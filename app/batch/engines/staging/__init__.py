"""Slides brought near ahead of need: copied from a slow disk or an object store into a bounded cache."""
