"""What a stored result looks like: its folder as a whole, its JSON, its arrays, and these as OME-Zarr tells them."""
