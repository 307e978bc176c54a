"""TIFF as it lies in the file: directories, pages, descriptions, one tile's bytes to pixels. Knows no slide."""
