"""What people signed, turned into labelled tiles: kept by version, with its origin, and taken back when they take it
back."""
