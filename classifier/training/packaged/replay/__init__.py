"""A model trained further without the tiles that it learned from: their features are kept, and learned from again."""
