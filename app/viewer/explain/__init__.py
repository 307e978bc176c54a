"""Where a tile's evidence lies: asked for, computed in a process of its own, drawn."""
