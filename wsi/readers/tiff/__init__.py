"""TIFF as it lies in the file: directories, pages, what a description says, one tile's bytes to pixels. Knows no slide."""
