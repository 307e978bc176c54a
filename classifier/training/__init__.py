"""From labelled tiles to a model folder."""
