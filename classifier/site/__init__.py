"""A site profile: what a laboratory's own unlabelled slides say of glass, stain and scanner, and what it changes."""
