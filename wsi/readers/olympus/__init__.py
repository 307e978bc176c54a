"""Olympus VSI: a TIFF of small pictures, and the slide in `.ets` files in a folder beside it. Decodes no pixel."""
