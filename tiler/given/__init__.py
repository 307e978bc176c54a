"""Tissue that a person gave: regions or a label image, read, checked, and laid in the place of what would be found."""
