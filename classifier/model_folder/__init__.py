"""A tile model on disk: its card, what the card says in words, and its files, checked byte by byte."""
