"""Zarr as it lies in a folder: arrays, chunks, and OME's multiscales. Knows no slide, and asks no Zarr library."""
