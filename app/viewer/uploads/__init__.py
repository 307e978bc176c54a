"""Slides and images from a browser: on their way in, looked at, and stored with what is made of them."""
