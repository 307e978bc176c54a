"""An image brought in by a person, and its prediction."""
