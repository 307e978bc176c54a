"""What the arrays of a stored result look like: as OME-Zarr tells them, and as they must be before one is read."""
