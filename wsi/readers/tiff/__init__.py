"""TIFF as it lies in the file: its directories, its pages, one tile's bytes to pixels. Knows no slide."""
